/* Reads the key of signed answers, and makes one at the first start: nodes pin its public half, so
 * it must stay when the store is moved away. */
#include "controller/io/registration_key.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_MODULE("registration");

static int fail(struct reason *why, const char *path, int error)
{
	return reason_set(why, -error, "registration key %s: %s", path, strerror(error));
}

/* Whole, or not at all: a power cut leaves no half a key behind. */
static int make(const char *path, struct sign_key *ret, struct reason *why)
{
	char text[SIGN_KEY_TEXT_SIZE + 1], *draft = memory_format("%s.new", path);
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), result;
	size_t size;

	result = sign_key_generate(REGISTRATION_ED25519, ret);
	sign_key_format(ret, text);
	strcat(text, "\n");
	size = strlen(text);
	if (result == 0 &&
	    (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, text, size) != (ssize_t)size ||
	     fsync(fd) < 0 || rename(draft, path) < 0))
		result = -errno;
	if (fd >= 0)
		close(fd);
	sign_wipe(text, sizeof(text));
	free(draft);
	if (result < 0)
		return fail(why, path, -result);
	log_debug("made %s, the key that registrations are answered with", path);
	return 0;
}

static int check_mode(int fd, const char *path, struct reason *why)
{
	struct stat s;

	if (fstat(fd, &s) < 0)
		return fail(why, path, errno);
	if (!S_ISREG(s.st_mode))
		return reason_set(why, -EINVAL, "registration key %s: it is no file", path);
	if (s.st_mode & 077)
		return reason_set(
			why, -EACCES,
			"registration key %s: others may read it; chmod 600 it, and make a "
			"new one if they did",
			path);
	return 0;
}

static int read_key(int fd, const char *path, struct sign_key *ret, struct reason *why)
{
	char text[2 * SIGN_KEY_TEXT_SIZE] = "";
	ssize_t size = read(fd, text, sizeof(text) - 1);
	int result = size < 0 ? -errno : 0;

	text[size > 0 ? size : 0] = '\0';
	text[strcspn(text, " \r\n")] = '\0';
	if (result == 0)
		result = sign_key_parse(text, ret);
	sign_wipe(text, sizeof(text));
	if (result == 0 && (ret->algorithm != REGISTRATION_ED25519 || !ret->can_sign))
		result = -EINVAL;
	if (result == -EINVAL)
		return reason_set(why, -EINVAL,
				  "registration key %s: not 'ed25519-private:' and 32 bytes in "
				  "Base64, as this program makes it",
				  path);
	return result < 0 ? fail(why, path, -result) : 0;
}

int registration_key_load(const struct config *config, struct sign_key *ret, struct reason *why)
{
	bool own = !config->registration_key[0];
	char *path = own ? memory_format("%s/registration.key", config->state)
			 : memory_copy_text(config->registration_key);
	int fd, result;

	if (sign_start() < 0) {
		free(path);
		return reason_set(why, -ENOSYS, "the kernel gives no random numbers");
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && own) {
		result = make(path, ret, why);
	} else if (fd < 0) {
		result = fail(why, path, errno);
	} else {
		result = check_mode(fd, path, why);
		result = result ? result : read_key(fd, path, ret, why);
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return result;
}
