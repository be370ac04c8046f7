/* See tokens.h.  The file is written anew at each change: to a name beside it, synced, renamed. One
 * lock is for the table, one for the file, so that whoever is checked never waits for the disk. */
#include "controller/io/tokens.h"

#include "base/memory.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER "victor-tokens 1"
#define PREFIX "victor_"
#define SECRET_SIZE 32
#define FILE_SIZE_MAX (256u << 10)
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

struct tokens {
	pthread_mutex_t lock, file_lock;
	struct token items[TOKENS_MAX];
	unsigned count;
	char *path;
};

static bool is_name(const char *name)
{
	size_t size = strlen(name);

	return size && size < TOKEN_NAME_SIZE && strspn(name, NAME_CHARACTERS) == size;
}

static void hash_text(const char *text, uint8_t ret[TOKEN_HASH_SIZE])
{
	crypto_generichash(ret, TOKEN_HASH_SIZE, (const uint8_t *)text, strlen(text), NULL, 0);
}

/* ---- the file's text ---- */

/* The next word of the line into 'ret'; false: there is none, or no room. */
static bool next_word(const char **at, const char *end, char *ret, size_t room)
{
	const char *space = memchr(*at, ' ', (size_t)(end - *at));
	size_t size = (size_t)((space ? space : end) - *at);

	if (!size || size >= room || memchr(*at, 0, size) || (space && space + 1 == end))
		return false;
	memcpy(ret, *at, size);
	ret[size] = '\0';
	*at += size + (space != NULL);
	return true;
}

static bool next_number(const char **at, const char *end, int64_t *ret)
{
	char text[20];

	if (!next_word(at, end, text, sizeof(text)) || strspn(text, "0123456789") != strlen(text) ||
	    strlen(text) > 12)
		return false;
	*ret = strtoll(text, NULL, 10);
	return true;
}

static bool parse_line(const char *at, const char *end, struct token *ret)
{
	char role[16], hash[2 * TOKEN_HASH_SIZE + 1];
	size_t size;

	memset(ret, 0, sizeof(*ret));
	if (!next_word(&at, end, ret->name, sizeof(ret->name)) || !is_name(ret->name) ||
	    !next_word(&at, end, role, sizeof(role)) || role_parse(role, &ret->role) < 0 ||
	    ret->role == ROLE_NONE || !next_number(&at, end, &ret->created_s) ||
	    !next_number(&at, end, &ret->expires_s) || !next_word(&at, end, hash, sizeof(hash)) ||
	    at != end)
		return false;
	return sodium_hex2bin(ret->hash, sizeof(ret->hash), hash, strlen(hash), NULL, &size,
			      NULL) == 0 &&
	       size == sizeof(ret->hash);
}

static struct token *find_name(struct token *list, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	}
	return NULL;
}

int tokens_parse(const char *path, const char *text, size_t size, struct token *ret,
		 unsigned *ret_count, struct reason *why)
{
	const char *at = text, *end = text + size;

	*ret_count = 0;
	for (unsigned line = 1; at < end; line++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		struct token *t = &ret[*ret_count];

		if (!newline)
			return reason_set(why, -EINVAL, "%s:%u: the line is cut off", path, line);
		if (line == 1) {
			if ((size_t)(newline - at) != strlen(HEADER) ||
			    memcmp(at, HEADER, strlen(HEADER)) != 0)
				return reason_set(why, -EINVAL, "%s:1: '" HEADER "' is missing",
						  path);
		} else if (*ret_count == TOKENS_MAX) {
			return reason_set(why, -EINVAL, "%s:%u: more than %d tokens", path, line,
					  TOKENS_MAX);
		} else if (!parse_line(at, newline, t) || find_name(ret, *ret_count, t->name)) {
			return reason_set(why, -EINVAL,
					  "%s:%u: this is no token, or is there already; move the "
					  "file away and make tokens anew (victorctl token create)",
					  path, line);
		} else {
			(*ret_count)++;
		}
		at = newline + 1;
	}
	return 0;
}

static void format(const struct tokens *t, struct buffer *out)
{
	char hash[2 * TOKEN_HASH_SIZE + 1];

	buffer_add_bytes(out, HEADER "\n", strlen(HEADER) + 1);
	for (unsigned i = 0; i < t->count; i++) {
		const struct token *item = &t->items[i];
		char *line = memory_format(
			"%s %s %lld %lld %s\n", item->name, role_name(item->role),
			(long long)item->created_s, (long long)item->expires_s,
			sodium_bin2hex(hash, sizeof(hash), item->hash, sizeof(item->hash)));

		buffer_add_bytes(out, line, strlen(line));
		free(line);
	}
}

/* ---- the file ---- */

static int write_whole(int fd, const struct buffer *b)
{
	size_t done = 0;

	while (done < b->size) {
		ssize_t some = write(fd, b->data + done, b->size - done);

		if (some < 0 && errno != EINTR)
			return -errno;
		done += some > 0 ? (size_t)some : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_directory(const char *path)
{
	char *directory = memory_copy_text(path);

	*strrchr(directory, '/') = '\0';
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(directory);
	return result;
}

static int replace_file(const char *path, const struct buffer *content)
{
	char *partial = memory_format("%s.new", path);
	int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result = fd < 0 ? -errno : write_whole(fd, content);

	if (fd >= 0 && close(fd) < 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(partial, path) < 0)
		result = -errno;
	if (result == 0)
		result = sync_directory(path);
	else
		(void)unlink(partial);
	free(partial);
	return result;
}

/* What the table is now; whoever writes last writes the newest. */
static int save(struct tokens *t, struct reason *why)
{
	struct buffer content = {0};

	pthread_mutex_lock(&t->file_lock);
	pthread_mutex_lock(&t->lock);
	format(t, &content);
	pthread_mutex_unlock(&t->lock);
	int result = replace_file(t->path, &content);

	pthread_mutex_unlock(&t->file_lock);
	buffer_finish(&content);
	return result < 0 ? reason_set(why, result, "%s: %s", t->path, strerror(-result)) : 0;
}

static int load(struct tokens *t, struct reason *why)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC), result = 0;
	struct stat file;

	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : reason_set(why, -errno, "%s: %s", t->path, strerror(errno));
	char *text = memory_alloc(FILE_SIZE_MAX);
	ssize_t size = fstat(fd, &file) < 0 ? -1 : read(fd, text, FILE_SIZE_MAX);

	if (size < 0)
		result = reason_set(why, -errno, "%s: %s", t->path, strerror(errno));
	else if (file.st_mode & 077)
		result = reason_set(why, -EPERM, "%s: others may read it; chmod 600 %s", t->path,
				    t->path);
	else
		result = tokens_parse(t->path, text, (size_t)size, t->items, &t->count, why);
	free(text);
	close(fd);
	return result;
}

int tokens_open(const char *directory, struct tokens **ret, struct reason *why)
{
	struct tokens *t = memory_alloc(sizeof(*t));

	if (sodium_init() < 0) {
		free(t);
		return reason_set(why, -EIO, "libsodium could not be started");
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->file_lock, NULL);
	t->path = memory_format("%s/tokens", directory);
	int result = load(t, why);

	if (result < 0)
		tokens_close(t);
	else
		*ret = t;
	return result;
}

void tokens_close(struct tokens *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->file_lock);
	free(t->path);
	free(t);
}

/* ---- tokens ---- */

enum role tokens_find(struct tokens *t, const char *text, int64_t now_s,
		      char ret_name[TOKEN_NAME_SIZE])
{
	uint8_t hash[TOKEN_HASH_SIZE];
	struct token *found = NULL;
	enum role role = ROLE_NONE;

	hash_text(text, hash);
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->count; i++) {
		if (sodium_memcmp(hash, t->items[i].hash, sizeof(hash)) == 0)
			found = &t->items[i]; /* on to the end: the time tells nothing */
	}
	if (found && (!found->expires_s || found->expires_s > now_s)) {
		found->used_s = now_s;
		strcpy(ret_name, found->name);
		role = found->role;
	}
	pthread_mutex_unlock(&t->lock);
	return role;
}

static void make_text(char text[TOKEN_TEXT_SIZE])
{
	uint8_t secret[SECRET_SIZE];

	randombytes_buf(secret, sizeof(secret));
	strcpy(text, PREFIX);
	sodium_bin2hex(text + strlen(PREFIX), TOKEN_TEXT_SIZE - strlen(PREFIX), secret,
		       sizeof(secret));
	sodium_memzero(secret, sizeof(secret));
}

static int add(struct tokens *t, const struct token *item, struct reason *why)
{
	if (find_name(t->items, t->count, item->name))
		return reason_set(why, -EEXIST, "there is a token '%s'; revoke it first",
				  item->name);
	if (t->count == TOKENS_MAX)
		return reason_set(why, -EBUSY, "there are %d tokens; revoke some", TOKENS_MAX);
	t->items[t->count++] = *item;
	return 0;
}

static bool take_out(struct tokens *t, const char *name)
{
	pthread_mutex_lock(&t->lock);
	struct token *item = find_name(t->items, t->count, name);

	if (item)
		*item = t->items[--t->count];
	pthread_mutex_unlock(&t->lock);
	return item != NULL;
}

int tokens_create(struct tokens *t, const char *name, enum role role, int64_t expires_s,
		  int64_t now_s, char text[TOKEN_TEXT_SIZE], struct reason *why)
{
	struct token item = {.role = role, .created_s = now_s, .expires_s = expires_s};

	if (!is_name(name))
		return reason_set(why, -EINVAL,
				  "a token's name has 1 to %d letters, digits, '-', '_', '.'",
				  TOKEN_NAME_SIZE - 1);
	if (role == ROLE_NONE)
		return reason_set(why, -EINVAL, "a token's role is read, operate or admin");
	strcpy(item.name, name);
	make_text(text);
	hash_text(text, item.hash);
	pthread_mutex_lock(&t->lock);
	int result = add(t, &item, why);

	pthread_mutex_unlock(&t->lock);
	if (result < 0)
		return result;
	result = save(t, why);
	if (result < 0)
		(void)take_out(t, name);
	return result;
}

int tokens_revoke(struct tokens *t, const char *name, struct reason *why)
{
	if (!take_out(t, name))
		return reason_set(why, -ENOENT, "no token '%s'; see victorctl token list", name);
	struct reason detail = {""};
	int result = save(t, &detail);

	return result < 0 ? reason_set(why, result,
				       "the token is revoked until the controller restarts: %.200s",
				       detail.text)
			  : 0;
}

struct token *tokens_list(struct tokens *t, unsigned *ret_count)
{
	pthread_mutex_lock(&t->lock);
	struct token *list = memory_alloc_array(t->count + 1, sizeof(*list));

	*ret_count = t->count;
	memcpy(list, t->items, t->count * sizeof(*list));
	pthread_mutex_unlock(&t->lock);
	return list;
}
