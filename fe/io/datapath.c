/* The BPF data plane's life: privileges, the bpffs and its lock, loading, pinning, adoption and
 * removal; and the upcalls that its ring hands out.  bpf/victor.bpf.c is what is loaded;
 * datapath_port.c attaches it to devices, datapath_ops.c fills its maps. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

LOG_MODULE("datapath");

_Static_assert(sizeof(struct rule) < 256 && sizeof(struct datapath_link) < 256,
	       "rule_sizes has a byte for each");

/* libbpf's own lines say more than its result, but to a developer. */
static int PRINTF_LIKE(2, 0)
	print_to_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[512];

	if (level == LIBBPF_DEBUG || !log_enabled(LOG_LEVEL_DEBUG))
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libbpf: %s", line);
	return 0;
}

/* ---- privileges ---- */

static bool capable(const struct __user_cap_data_struct *data, unsigned capability)
{
	return data[capability / 32].effective >> capability % 32 & 1;
}

int datapath_check_privileges(struct reason *why)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {};
	static const struct {
		unsigned number;
		const char *name;
	} needed[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		      {CAP_NET_RAW, "CAP_NET_RAW"},
		      {CAP_BPF, "CAP_BPF"},
		      {CAP_PERFMON, "CAP_PERFMON"}};

	if (syscall(SYS_capget, &head, data))
		return reason_set(why, -errno, "capabilities are not readable: %s",
				  strerror(errno));
	if (capable(data, CAP_SYS_ADMIN))
		data[CAP_BPF / 32].effective |= 1u << CAP_BPF % 32 | 1u << CAP_PERFMON % 32;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!capable(data, needed[i].number))
			return reason_set(why, -EPERM,
					  "no privileges: %s is missing; run victor-fe as root or "
					  "by its systemd unit",
					  needed[i].name);
	return 0;
}

/* ---- the bpffs ---- */

static int directory_make(const char *path)
{
	char *copy = memory_copy_text(path);
	int result = 0;

	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		(void)mkdir(copy, 0755); /* if that fails the last one says why */
		*at = '/';
	}
	if (mkdir(copy, 0700) && errno != EEXIST)
		result = -errno;
	free(copy);
	return result;
}

static int bpffs_prepare(const char *path, struct reason *why)
{
	struct statfs fs;
	int result;

	if (!path || path[0] != '/')
		return reason_set(why, -EINVAL, "pin directory '%s': give an absolute path",
				  path ? path : "");
	result = directory_make(path);
	if (result)
		return reason_set(why, result, "pin directory '%s' cannot be made: %s", path,
				  strerror(-result));
	if (statfs(path, &fs))
		return reason_set(why, -errno, "pin directory '%s': %s", path, strerror(errno));
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return reason_set(why, -errno,
				  "no bpffs at '%s' and none can be mounted (%s): mount one with "
				  "'mount -t bpf bpf %s', or run as root",
				  path, strerror(errno), path);
	return 0;
}

static int bpffs_lock(struct datapath *dp, struct reason *why)
{
	dp->lock_fd = open(dp->pin_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dp->lock_fd < 0)
		return reason_set(why, -errno, "pin directory '%s': %s", dp->pin_directory,
				  strerror(errno));
	if (flock(dp->lock_fd, LOCK_EX | LOCK_NB))
		return reason_set(why, -EBUSY,
				  "pin directory '%s' is in use by another victor-fe: stop it, or "
				  "give this one a directory of its own",
				  dp->pin_directory);
	return 0;
}

/* ---- load or adopt ---- */

static uint64_t program_hash(void)
{
	size_t size;
	const uint8_t *bytes = victor_bpf__elf_bytes(&size);
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}

static uint32_t limit_of(const struct datapath_config *c)
{
	return c->binding_limit ? c->binding_limit : DATAPLANE_BINDING_LIMIT;
}

static int maps_size(struct datapath *dp, const struct datapath_config *c)
{
	uint32_t limit = limit_of(c);
	/* Of foreign bindings the table of bindings itself keeps the rule. */
	uint32_t rules =
		(limit < DATAPLANE_BINDING_LIMIT ? limit : DATAPLANE_BINDING_LIMIT) * 3 + 4096;
	uint32_t counters = limit < 4096 ? 4096 : limit > 16384 ? 16384 : limit;
	int result = datapath_bindings_size(dp->skeleton, limit);

	result = result ? result : bpf_map__set_max_entries(dp->skeleton->maps.counters, counters);
	result = result ? result : bpf_map__set_max_entries(dp->skeleton->maps.rules, rules);
	result = result ? result
			: bpf_map__set_key_size(dp->skeleton->maps.rules, sizeof(struct rule_key));
	result = result ? result
			: bpf_map__set_value_size(dp->skeleton->maps.rules, sizeof(struct rule));
	result = result ? result
			: bpf_map__set_value_size(dp->skeleton->maps.rule_groups,
						  sizeof(struct rule_group));
	result = result ? result
			: bpf_map__set_value_size(dp->skeleton->maps.rule_links,
						  sizeof(struct datapath_link));
	result = result ? result
			: bpf_map__set_key_size(dp->skeleton->maps.kept, sizeof(struct kept_key));
	result = result ? result
			: bpf_map__set_value_size(dp->skeleton->maps.kept,
						  sizeof(struct kept_frame));
	return result;
}

static int load_refused(int result, struct reason *why)
{
	struct utsname name = {};

	uname(&name);
	if (result == -EPERM)
		return reason_set(why, result,
				  "kernel %s refused BPF programs: not permitted; run as root, and "
				  "check lockdown and container limits",
				  name.release);
	if (result == -ENOMEM || result == -E2BIG)
		return reason_set(why, result,
				  "kernel %s has no memory for the BPF maps: lower binding_limit",
				  name.release);
	return reason_set(
		why, result,
		"kernel %s refused the BPF programs (%s): VICTOR needs Linux 6.1 or later "
		"with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS; "
		"--verbose shows the kernel's words",
		name.release, strerror(-result));
}

/* The kernel is not asked to verify them, which takes most of a start's time. */
static void programs_leave_out(struct datapath *dp)
{
	struct bpf_program *program = NULL;

	while ((program = bpf_object__next_program(dp->skeleton->obj, program)))
		bpf_program__set_autoload(program, false);
}

static int load(struct datapath *dp, const struct datapath_config *c, bool programs,
		struct reason *why)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	int result;

	/* Only needed before Linux 5.11; may fail, harmlessly. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	dp->skeleton = victor_bpf__open();
	if (!dp->skeleton)
		return load_refused(-errno, why);
	if (!programs)
		programs_leave_out(dp);
	result = maps_size(dp, c);
	if (result)
		return load_refused(result, why);
	datapath_pins_recover(dp);
	result = datapath_pins_check(dp, c->fe, why);
	if (result < 0)
		return result;
	dp->adopted = result == 1;
	result = datapath_pins_name(dp);
	result = result ? result : victor_bpf__load(dp->skeleton);
	if (result)
		return load_refused(result, why);
	result = datapath_bindings_open(dp, limit_of(c), why);
	return result ? result : datapath_pins_migrate(dp, why);
}

static int header_write(struct datapath *dp, const struct datapath_config *c)
{
	struct map_header h = {.magic = DATAPLANE_MAGIC,
			       .layout = DATAPLANE_LAYOUT,
			       .fe = c->fe,
			       .rule_sizes = DATAPATH_RULE_SIZES,
			       .program_hash = program_hash(),
			       .seed = c->seed};
	struct map_header old = {};
	uint32_t zero = 0;

	if (dp->adopted && !bpf_map_lookup_elem(map_fd(dp->skeleton->maps.header), &zero, &old)) {
		h.seed = old.seed;
		if (old.program_hash != h.program_hash)
			log_info("replacing programs %016llx by %016llx", old.program_hash,
				 h.program_hash);
	}
	return bpf_map_update_elem(map_fd(dp->skeleton->maps.header), &zero, &h, 0);
}

int datapath_config_write(struct datapath *dp)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(map_fd(dp->skeleton->maps.config), &zero, &dp->config, 0);
}

/* What loading took and nobody asks for again: the programs' bytes, which are in this file, and
 * what libbpf has freed. */
static void loading_end(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin, end;
	size_t size;

	begin = (uintptr_t)victor_bpf__elf_bytes(&size);
	end = (begin + size) / page * page;
	begin = (begin + page - 1) / page * page;
	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
	malloc_trim(0);
}

static void config_fill(struct datapath *dp, const struct datapath_config *c)
{
	struct map_config old = {};
	uint32_t zero = 0;

	dp->config.fe = c->fe;
	dp->config.backplane_mtu = c->backplane_mtu;
	datapath_underlay_fill(&dp->config, &c->backplane);
	/* The device stays what it was until its port is set again. */
	if (dp->adopted && !bpf_map_lookup_elem(map_fd(dp->skeleton->maps.config), &zero, &old)) {
		dp->config.backplane_ifindex = old.backplane_ifindex;
		dp->config.device_mtu = old.device_mtu;
		memcpy(dp->config.inner_token, old.inner_token, sizeof(old.inner_token));
		memcpy(dp->config.inner_address, old.inner_address, sizeof(old.inner_address));
	}
}

static int config_check(const struct datapath_config *c, struct reason *why)
{
	if (!c->fe || c->fe > 65535)
		return reason_set(why, -EINVAL, "FE id %u: it is 1 to 65535", c->fe);
	if (c->binding_limit > 1u << 24)
		return reason_set(why, -EINVAL, "binding_limit %u: at most %u", c->binding_limit,
				  1u << 24);
	return datapath_underlay_check(&c->backplane, why);
}

static void upcall_deliver(void *context, const void *data, size_t size)
{
	const struct map_upcall *u = data;
	struct datapath *dp = context;

	if (size < sizeof(*u) || u->size > size - offsetof(struct map_upcall, data) || !dp->upcall)
		return;
	dp->upcalls++;
	dp->upcall(dp->upcall_to, &(struct upcall){.reason = u->reason,
						   .port = u->port,
						   .vlan = u->vlan,
						   .frame = u->data,
						   .size = u->size,
						   .wire_size = u->wire_size,
						   .received_us = (int64_t)(u->time_ns / 1000)});
}

static int sockets_open(struct datapath *dp, struct reason *why)
{
	dp->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	dp->route_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (dp->packet_fd < 0 || dp->route_fd < 0 || datapath_link_open(dp))
		return reason_set(why, -errno, "no packet or netlink socket: %s", strerror(errno));
	return 0;
}

static int ring_open(struct datapath *dp, struct reason *why)
{
	const struct bpf_map *map = dp->skeleton->maps.upcalls;
	int result = upcall_ring_open(&dp->ring, map_fd(map), bpf_map__max_entries(map));

	return result ? reason_set(why, result, "the upcall ring cannot be mapped: %s",
				   strerror(-result))
		      : 0;
}

static struct datapath *datapath_create(const struct datapath_config *c)
{
	struct datapath *dp = memory_alloc(sizeof(*dp));

	dp->pin_directory = memory_copy_text(c->pin_directory);
	dp->lock_fd = dp->packet_fd = dp->route_fd = dp->raw_fd[0] = dp->raw_fd[1] = -1;
	table_init(&dp->devices, sizeof(uint32_t), sizeof(struct datapath_device), c->seed);
	table_init(&dp->stale[STALE_PEER], sizeof(uint32_t), 1, c->seed);
	table_init(&dp->stale[STALE_SOURCE], sizeof(struct map_source_key), 1, c->seed);
	table_init(&dp->stale[STALE_PREFIX], sizeof(struct map_prefix_key), 1, c->seed);
	table_init(&dp->stale[STALE_LINK], sizeof(uint32_t), 1, c->seed);
	return dp;
}

/* Without 'programs' it forwards nothing: what it finds is only good to be removed. */
static int open_with(const struct datapath_config *config, bool programs, struct datapath **ret,
		     struct reason *why)
{
	struct datapath *dp;
	int result, cpus;

	libbpf_set_print(print_to_log);
	result = config_check(config, why);
	result = result ? result : datapath_check_privileges(why);
	result = result ? result : bpffs_prepare(config->pin_directory, why);
	if (result)
		return result;
	cpus = libbpf_num_possible_cpus();
	if (cpus <= 0)
		return reason_set(why, -EIO, "the number of CPUs is not known: is /sys mounted?");
	dp = datapath_create(config);
	dp->cpus = (unsigned)cpus;
	dp->xdp = config->xdp;
	result = bpffs_lock(dp, why);
	result = result ? result : load(dp, config, programs, why);
	result = result ? result : sockets_open(dp, why);
	result = result ? result : ring_open(dp, why);
	if (result)
		goto fail;
	config_fill(dp, config);
	if (programs)
		datapath_inner_open(dp);
	if (datapath_config_write(dp) || datapath_guard_write(dp, config) ||
	    header_write(dp, config)) {
		result = reason_set(why, -EIO, "the BPF maps cannot be written");
		goto fail;
	}
	if (dp->adopted) {
		datapath_adopt_devices(dp);
		datapath_adopt_entries(dp);
	}
	loading_end();
	*ret = dp;
	return 0;
fail:
	datapath_close(dp, false);
	return result;
}

int datapath_open(const struct datapath_config *config, struct datapath **ret, struct reason *why)
{
	return open_with(config, true, ret, why);
}

void datapath_close(struct datapath *dp, bool remove)
{
	if (!dp)
		return;
	if (remove && dp->skeleton) {
		datapath_detach_all(dp);
		datapath_inner_remove(dp, dp->config.fe);
		datapath_unpin_all(dp);
	}
	upcall_ring_close(&dp->ring);
	datapath_bindings_close(dp);
	victor_bpf__destroy(dp->skeleton);
	if (dp->packet_fd >= 0)
		close(dp->packet_fd);
	if (dp->route_fd >= 0)
		close(dp->route_fd);
	datapath_link_close(dp);
	if (dp->lock_fd >= 0)
		close(dp->lock_fd);
	table_finish(&dp->devices);
	for (int i = 0; i < STALE_COUNT; i++)
		table_finish(&dp->stale[i]);
	free(dp->pin_directory);
	free(dp);
}

/* ---- removal of what another release left: of its maps only the keys of 'ports' are used ---- */

static void detach_others(const struct datapath *dp)
{
	char *path = datapath_pin_path(dp, "ports");
	int fd = bpf_obj_get(path);
	struct bpf_map_info info = {};
	uint32_t ifindex, *previous = NULL, size = sizeof(info);

	free(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    info.key_size != sizeof(ifindex)) {
		log_warn("which devices are ports is not readable: 'tc qdisc del dev DEVICE "
			 "clsact' frees one");
	} else {
		while (!bpf_map_get_next_key(fd, previous, &ifindex)) {
			previous = &ifindex;
			datapath_xdp_take_off_old(ifindex);
			datapath_filter_detach(dp, ifindex);
		}
	}
	if (fd >= 0)
		close(fd);
}

/* All but what the kernel itself puts into a bpffs. */
static void unpin_others(const struct datapath *dp)
{
	DIR *directory = opendir(dp->pin_directory);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (!dot && unlinkat(dp->lock_fd, entry->d_name, 0))
			log_warn("%s/%s cannot be removed: %s", dp->pin_directory, entry->d_name,
				 strerror(errno));
	}
	if (directory)
		closedir(directory);
}

int datapath_remove(const struct datapath_config *config, struct reason *why)
{
	struct datapath *dp = NULL;
	int result = open_with(config, false, &dp, why);

	if (!result)
		datapath_close(dp, true);
	if (result != -EEXIST)
		return result;
	dp = datapath_create(config);
	result = bpffs_lock(dp, why);
	result = result ? result : sockets_open(dp, why);
	if (!result) {
		datapath_pins_recover(dp);
		detach_others(dp);
		datapath_inner_remove(dp, config->fe);
		unpin_others(dp);
	}
	datapath_close(dp, false);
	return result;
}

bool datapath_adopted(const struct datapath *dp)
{
	return dp->adopted;
}

void datapath_adopt(struct datapath *dp, void (*rule)(void *to, const struct rule *),
		    void (*group)(void *to, const struct rule_group *), void *to)
{
	int fd = map_fd(dp->skeleton->maps.rules);
	struct rule_key key, *previous = NULL;
	struct rule_group g;
	struct rule r;
	uint32_t fe, *previous_fe = NULL;

	while (!bpf_map_get_next_key(fd, previous, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &r))
			rule(to, &r);
		previous = &key;
	}
	fd = map_fd(dp->skeleton->maps.rule_groups);
	while (!bpf_map_get_next_key(fd, previous_fe, &fe)) {
		if (!bpf_map_lookup_elem(fd, &fe, &g))
			group(to, &g);
		previous_fe = &fe;
	}
}

void datapath_set_upcall(struct datapath *dp, void (*upcall)(void *to, const struct upcall *),
			 void *to)
{
	dp->upcall = upcall;
	dp->upcall_to = to;
}

int datapath_fd(const struct datapath *dp)
{
	return dp->ring.fd;
}

int datapath_poll_upcalls(struct datapath *dp)
{
	dp->upcalls = 0;
	upcall_ring_consume(&dp->ring, upcall_deliver, dp);
	return (int)dp->upcalls;
}

void datapath_drain_upcalls(void *context)
{
	datapath_poll_upcalls(datapath_of(context));
}
