/* Programs on devices by links (Linux's bpf_link), each pinned beside the maps: so that whoever
 * comes next replaces the program in one step, or takes it off, without having to find out whose
 * it is, which only CAP_SYS_ADMIN may. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LOG_MODULE("datapath");

#define HOOK_PREFIX "hook-"

static const struct {
	enum bpf_attach_type type; /* linux/bpf.h of 6.1 has not all names */
	const char *name;
} hooks[] = {
	[HOOK_IN] = {(enum bpf_attach_type)46, "in"},   /* BPF_TCX_INGRESS */
	[HOOK_OUT] = {(enum bpf_attach_type)47, "out"}, /* BPF_TCX_EGRESS */
	[HOOK_XDP] = {BPF_XDP, "xdp"},
};

static char *hook_path(const struct datapath *dp, uint32_t ifindex, enum hook hook)
{
	return memory_format("%s/" HOOK_PREFIX "%u-%s", dp->pin_directory, ifindex,
			     hooks[hook].name);
}

/* -ENOENT: there is no such link, or its device is gone and the number another's. */
static int link_replace(const char *path, int program)
{
	int fd = bpf_obj_get(path), result;

	if (fd < 0)
		return -ENOENT;
	result = bpf_link_update(fd, program, NULL);
	close(fd);
	if (!result)
		return 0;
	(void)unlink(path);
	return -ENOENT;
}

static int link_make(const char *path, int program, uint32_t ifindex, enum hook hook,
		     uint32_t flags)
{
	struct bpf_link_create_opts how;
	int fd, result;

	memset(&how, 0, sizeof(how)); /* libbpf refuses padding that is not zero */
	how.sz = sizeof(how);
	how.flags = flags;
	fd = bpf_link_create(program, (int)ifindex, hooks[hook].type, &how);
	if (fd < 0)
		return fd;
	result = bpf_obj_pin(fd, path);
	close(fd); /* not pinned, it ends here */
	return result;
}

int datapath_hook_set(const struct datapath *dp, const struct bpf_program *program,
		      uint32_t ifindex, enum hook hook, uint32_t flags)
{
	char *path = hook_path(dp, ifindex, hook);
	int fd = bpf_program__fd(program), result = link_replace(path, fd);

	if (result)
		result = link_make(path, fd, ifindex, hook, flags);
	free(path);
	return result;
}

bool datapath_hook_is_set(const struct datapath *dp, uint32_t ifindex, enum hook hook)
{
	char *path = hook_path(dp, ifindex, hook);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

void datapath_hook_clear(const struct datapath *dp, uint32_t ifindex, enum hook hook)
{
	char *path = hook_path(dp, ifindex, hook);
	int fd = bpf_obj_get(path);

	/* At once: what was unpinned ends some time later. */
	if (fd >= 0) {
		(void)bpf_link_detach(fd);
		close(fd);
	}
	if (unlink(path) && errno != ENOENT)
		log_warn("device %u keeps its program: %s cannot be removed: %s", ifindex, path,
			 strerror(errno));
	free(path);
}

void datapath_hooks_clear(const struct datapath *dp)
{
	DIR *directory = opendir(dp->pin_directory);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strncmp(entry->d_name, HOOK_PREFIX, strlen(HOOK_PREFIX)) == 0 &&
		    unlinkat(dp->lock_fd, entry->d_name, 0))
			log_warn("%s/%s cannot be removed: %s", dp->pin_directory, entry->d_name,
				 strerror(errno));
	if (directory)
		closedir(directory);
}
