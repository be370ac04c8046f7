/* A temporary name beside it and link(2): whoever looks sees no file, or a whole one. */
#include "registration/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t done = write(fd, text, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		size -= (size_t)done;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int file_write_secret(const char *path, const char *text, struct reason *why)
{
	char temporary[PATH_MAX];
	int fd, r;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return reason_set(why, -ENAMETOOLONG, "%s: the name is too long", path);
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 whatever the umask */
	if (fd < 0)
		return reason_set(why, -errno, "%s cannot be made: %s", path, strerror(errno));
	r = write_all(fd, text, strlen(text));
	close(fd);
	if (r == 0 && link(temporary, path) < 0)
		r = -errno;
	unlink(temporary);
	if (r == -EEXIST)
		return reason_set(why, r,
				  "%s is there already: a key that is overwritten is lost, so take "
				  "it away first",
				  path);
	return r < 0 ? reason_set(why, r, "%s cannot be written: %s", path, strerror(-r)) : 0;
}

static int read_all(int fd, const char *path, char *ret, size_t size, struct reason *why)
{
	size_t have = 0;

	while (have < size) {
		ssize_t got = read(fd, ret + have, size - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return reason_set(why, -errno, "%s cannot be read: %s", path,
					  strerror(errno));
		if (!got)
			break;
		have += (size_t)got;
	}
	if (have == size || memchr(ret, 0, have))
		return reason_set(why, -EINVAL, "%s is too long, or no text", path);
	ret[have] = 0;
	return 0;
}

static bool is_credential(const char *path)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	size_t size = folder ? strlen(folder) : 0;

	return size && strncmp(path, folder, size) == 0 && path[size] == '/';
}

/* systemd may give a credential to its user by an ACL, which shows as the group's rights. */
static int check_private(int fd, const char *path, struct reason *why)
{
	unsigned others = is_credential(path) ? 07 : 077;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return reason_set(why, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return reason_set(why, -EINVAL, "%s is no file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return reason_set(why, -EPERM, "%s belongs to another user, who knows the key",
				  path);
	if (st.st_mode & others)
		return reason_set(why, -EPERM,
				  "%s has mode %04o: others may read the key. It may be known "
				  "already: make a new one, or 'chmod 600 %s'",
				  path, st.st_mode & 07777, path);
	return 0;
}

int file_read_secret(const char *path, char *ret, size_t size, struct reason *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return reason_set(why, -errno, "%s cannot be read: %s", path, strerror(errno));
	r = check_private(fd, path, why);
	if (r == 0)
		r = read_all(fd, path, ret, size, why);
	close(fd);
	return r;
}

int file_read(const char *path, char *ret, size_t size, struct reason *why)
{
	int fd, r;

	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, "standard input", ret, size, why);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return reason_set(why, -errno, "%s cannot be read: %s", path, strerror(errno));
	r = read_all(fd, path, ret, size, why);
	close(fd);
	return r;
}
