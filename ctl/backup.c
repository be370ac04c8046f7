/* "backup": the controller's store, as a file here. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char magic[16] = "SQLite format 3";

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t some = write(fd, bytes, size);

		if (some < 0 && errno != EINTR)
			return -errno;
		if (some > 0) {
			bytes += some;
			size -= (size_t)some;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whole and synced, or not at all: what was there before stays until then. */
static int write_file(const char *path, const struct buffer *content, struct reason *why)
{
	char *partial = memory_format("%s.XXXXXX", path);
	int fd = mkostemp(partial, O_CLOEXEC), result = fd < 0 ? -errno : 0;

	if (fd >= 0) {
		result = write_all(fd, content->data, content->size);
		if (close(fd) < 0 && result == 0)
			result = -errno;
		if (result == 0 && rename(partial, path) < 0)
			result = -errno;
		if (result < 0)
			(void)unlink(partial);
	}
	free(partial);
	return result < 0 ? reason_set(why, result, "%s: %s", path, strerror(-result)) : 0;
}

static int backup(struct ctl *ctl)
{
	struct buffer content = {0};
	struct reason why = {""};
	int result = client_download(ctl->client, "/v1/backup", &content, &why);

	if (result == 0 &&
	    (content.size < sizeof(magic) || memcmp(content.data, magic, sizeof(magic)) != 0))
		result = reason_set(&why, -EPROTO, "what the controller sent is no backup");
	if (result == 0)
		result = write_file(ctl->arguments[0], &content, &why);
	if (result == 0)
		printf("%s: %zu bytes\n", ctl->arguments[0], content.size);
	buffer_finish(&content);
	return result < 0 ? complain(&why) : EXIT_SUCCESS;
}

const struct command backup_commands[] = {
	{"backup", "FILE", "copy the controller's store to a file here",
	 "The store is checked, and copied as it is at one moment, while the controller goes on.\n"
	 "To go back to it: stop the controller, move STATE/controller.db* away, copy FILE to\n"
	 "STATE/controller.db, start the controller.  Where nodes are is then learnt from the\n"
	 "elements, which know it better.\n",
	 1, 1, 0, backup},
	{0},
};
