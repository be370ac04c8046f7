/* The CA's directory: what is read, and what is written in which order.  The index learns of a
 * certificate before anybody gets its files, so that none is out that cannot be revoked. */
#include "ctl/pki_store.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 << 20)
#define ENTRIES_MAX 1000000

const char *pki_kind_name(enum tls_kind kind)
{
	switch (kind) {
	case TLS_FE:
		return "fe";
	case TLS_CONTROLLER:
		return "controller";
	case TLS_USER:
		return "user";
	}
	return "?";
}

/* ---- files ---- */

static int read_file(const struct pki *p, const char *name, struct buffer *ret, struct reason *why)
{
	char *path = memory_format("%s/%s", p->directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC), result = fd < 0 ? -errno : 0;
	struct stat file;

	if (result == 0 &&
	    (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode) || file.st_size > FILE_MAX))
		result = -EINVAL;
	if (result == 0 && file.st_size > 0) {
		size_t size = (size_t)file.st_size;

		if (read(fd, buffer_add(ret, size), size) != file.st_size)
			result = -EIO;
	}
	if (fd >= 0)
		close(fd);
	if (result < 0)
		reason_set(why, result, "%s: %s", path, strerror(-result));
	free(path);
	return result;
}

static int write_all(int fd, const struct buffer *content)
{
	size_t done = 0;

	while (done < content->size) {
		ssize_t some = write(fd, content->data + done, content->size - done);

		if (some < 0)
			return -errno;
		done += (size_t)some;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whole and synced, or not at all.  'folder' may be NULL. */
static int write_file(const struct pki *p, const char *folder, const char *name,
		      const struct buffer *content, struct reason *why)
{
	char *path = folder ? memory_format("%s/%s/%s", p->directory, folder, name)
			    : memory_format("%s/%s", p->directory, name);
	char *partial = memory_format("%s.new", path);

	(void)unlink(partial); /* of one that was killed; nobody else is here */
	int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result = fd < 0 ? -errno : write_all(fd, content);

	if (fd >= 0 && close(fd) < 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(partial, path) < 0)
		result = -errno;
	if (result < 0) {
		(void)unlink(partial);
		reason_set(why, result, "%s: %s", path, strerror(-result));
	}
	free(partial);
	free(path);
	return result;
}

static int make_directory(const char *path, struct reason *why)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	return reason_set(why, -errno, "%s: %s%s", path, strerror(errno),
			  errno == ENOENT ? ": make the directory above it first" : "");
}

static int lock(struct pki *p, struct reason *why)
{
	p->lock = open(p->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->lock < 0)
		return reason_set(why, -errno,
				  "%s: %s: make a CA with 'victorctl pki init', or name its "
				  "directory with --directory",
				  p->directory, strerror(errno));
	if (flock(p->lock, LOCK_EX | LOCK_NB) < 0)
		return reason_set(why, -errno, "%s: another 'victorctl pki' works there just now",
				  p->directory);
	return 0;
}

/* ---- the index ---- */

static void write_entry(const struct pki_entry *e, struct buffer *out)
{
	char urn[TLS_IDENTITY_SIZE];

	tls_identity_format(&e->identity, urn);
	char *line = memory_format("%s %" PRId64 " %" PRId64 " %s\n", e->serial, e->expires_s,
				   e->revoked_s, urn);

	buffer_add_bytes(out, line, strlen(line));
	free(line);
}

static int read_entry(const char *line, struct pki_entry *ret)
{
	char urn[TLS_IDENTITY_SIZE];
	int end = 0;

	if (sscanf(line, "%32[0-9A-F] %" SCNd64 " %" SCNd64 " %127s%n", ret->serial,
		   &ret->expires_s, &ret->revoked_s, urn, &end) != 4 ||
	    line[end])
		return -EINVAL;
	return tls_identity_parse(urn, strlen(urn), &ret->identity);
}

static struct pki_entry *add_entry(struct pki *p)
{
	if ((p->count & (p->count - 1)) == 0)
		p->entries = memory_resize(p->entries,
					   (p->count ? 2 * p->count : 1) * sizeof(*p->entries));
	memset(&p->entries[p->count], 0, sizeof(*p->entries));
	return &p->entries[p->count++];
}

static int read_index(struct pki *p, struct reason *why)
{
	struct buffer content = {0};
	unsigned number = 1;
	int result = read_file(p, "index", &content, why);

	buffer_add_bytes(&content, "", 1);
	for (char *line = (char *)content.data, *next; result == 0 && *line; line = next) {
		size_t size = strcspn(line, "\n");

		next = line + size + (line[size] == '\n');
		line[size] = '\0';
		if (p->count == ENTRIES_MAX || read_entry(line, add_entry(p)) < 0)
			result = reason_set(why, -EINVAL, "%s/index:%u: not a line of an index",
					    p->directory, number);
		number++;
	}
	buffer_finish(&content);
	return result;
}

static int write_index(const struct pki *p, struct reason *why)
{
	struct buffer content = {0};

	for (unsigned i = 0; i < p->count; i++)
		write_entry(&p->entries[i], &content);
	int result = write_file(p, NULL, "index", &content, why);

	buffer_finish(&content);
	return result;
}

/* ---- the list of revocations ---- */

static int make_list(const struct pki *p, int64_t now_s, struct buffer *ret, struct reason *why)
{
	struct tls_revocation *list = memory_alloc_array(p->count + 1, sizeof(*list));
	unsigned count = 0;

	for (unsigned i = 0; i < p->count; i++) {
		if (!p->entries[i].revoked_s)
			continue;
		strcpy(list[count].serial, p->entries[i].serial);
		list[count++].at_s = p->entries[i].revoked_s;
	}
	int result = tls_authority_revoke(p->authority, list, count, count + 1, now_s, ret, why);

	free(list);
	return result;
}

static char *folder_of(const struct tls_identity *identity)
{
	return memory_format("%s-%s", pki_kind_name(identity->kind), identity->name);
}

static int write_list(const struct pki *p, int64_t now_s, struct reason *why)
{
	struct buffer list = {0};
	int result = make_list(p, now_s, &list, why);

	if (result == 0)
		result = write_file(p, NULL, "crl.pem", &list, why);
	for (unsigned i = 0; i < p->count && result == 0; i++) {
		char *folder = folder_of(&p->entries[i].identity);
		struct reason ignored;
		int copied = write_file(p, folder, "crl.pem", &list, &ignored);

		/* Somebody who moved a directory away took its files where they are used. */
		if (copied < 0 && copied != -ENOENT)
			result = reason_set(why, copied, "%s", ignored.text);
		free(folder);
	}
	buffer_finish(&list);
	return result;
}

/* ---- life ---- */

static int write_authority(struct pki *p, int64_t now_s, struct reason *why)
{
	struct buffer certificate = {0}, key = {0};
	int result;

	tls_authority_certificate(p->authority, &certificate);
	tls_authority_key(p->authority, &key);
	result = write_file(p, NULL, "ca.key", &key, why);
	if (result == 0)
		result = write_index(p, why);
	if (result == 0)
		result = write_list(p, now_s, why);
	if (result == 0)
		result = write_file(p, NULL, "ca.pem", &certificate, why);
	buffer_finish(&certificate);
	tls_forget(&key);
	return result;
}

/* Any of a CA's files is one that must not be lost. */
static int check_empty(const struct pki *p, struct reason *why)
{
	static const char *const names[] = {"ca.pem", "ca.key", "index", "crl.pem"};
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && result == 0; i++) {
		char *path = memory_format("%s/%s", p->directory, names[i]);

		if (access(path, F_OK) == 0)
			result = reason_set(why, -EEXIST,
					    "%s: there is a CA already, and nothing was touched; "
					    "name another --directory, or move that one away",
					    path);
		free(path);
	}
	return result;
}

int pki_create(const char *directory, const char *name, struct tls_validity validity, int64_t now_s,
	       struct pki *ret, struct reason *why)
{
	*ret = (struct pki){.directory = memory_copy_text(directory), .lock = -1};
	int result = make_directory(directory, why);

	if (result == 0)
		result = lock(ret, why);
	if (result == 0)
		result = check_empty(ret, why);
	if (result == 0)
		result = tls_authority_create(name, validity, &ret->authority, why);
	if (result == 0)
		result = write_authority(ret, now_s, why);
	if (result < 0)
		pki_close(ret);
	return result;
}

int pki_open(const char *directory, bool writes, struct pki *ret, struct reason *why)
{
	struct buffer certificate = {0}, key = {0};

	*ret = (struct pki){.directory = memory_copy_text(directory), .lock = -1};
	int result = lock(ret, why);

	if (result == 0)
		result = read_file(ret, "ca.pem", &certificate, why);
	if (result == 0 && writes)
		result = read_file(ret, "ca.key", &key, why);
	if (result == 0 && writes)
		result = tls_authority_open(&certificate, &key, &ret->authority, why);
	if (result == 0)
		result = read_index(ret, why);
	buffer_finish(&certificate);
	tls_forget(&key);
	if (result < 0)
		pki_close(ret);
	return result;
}

void pki_close(struct pki *p)
{
	tls_authority_destroy(p->authority);
	free(p->entries);
	free(p->directory);
	if (p->lock >= 0)
		close(p->lock);
	memset(p, 0, sizeof(*p));
	p->lock = -1;
}

/* ---- issuing ---- */

static int check_wish(const struct pki *p, const struct tls_identity *wish, bool replace,
		      int64_t now_s, struct reason *why)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct pki_entry *e = &p->entries[i];
		bool is_same =
			e->identity.kind == wish->kind && strcmp(e->identity.name, wish->name) == 0;

		if (e->revoked_s || e->expires_s < now_s)
			continue;
		if (wish->kind == TLS_FE && e->identity.kind == TLS_FE &&
		    is_same != (e->identity.datapath_id == wish->datapath_id))
			return reason_set(why, -EEXIST,
					  "%s has a certificate with id %" PRIu64
					  ": no two elements have one name or one id; revoke it "
					  "first if that element is gone",
					  e->identity.name, e->identity.datapath_id);
		if (is_same && !replace)
			return reason_set(why, -EEXIST,
					  "%s %s has a certificate that is still good: --replace "
					  "writes a new one over its files (the old one is good "
					  "until it expires or is revoked)",
					  pki_kind_name(wish->kind), wish->name);
	}
	return 0;
}

static int write_bundle(const struct pki *p, const char *folder, const struct buffer *certificate,
			const struct buffer *key, int64_t now_s, struct reason *why)
{
	char *path = memory_format("%s/%s", p->directory, folder);
	struct buffer ca = {0}, list = {0};
	int result = make_directory(path, why);

	tls_authority_certificate(p->authority, &ca);
	if (result == 0)
		result = make_list(p, now_s, &list, why);
	if (result == 0)
		result = write_file(p, folder, "ca.pem", &ca, why);
	if (result == 0)
		result = write_file(p, folder, "crl.pem", &list, why);
	if (result == 0)
		result = write_file(p, folder, "key.pem", key, why);
	if (result == 0)
		result = write_file(p, folder, "certificate.pem", certificate, why);
	buffer_finish(&ca);
	buffer_finish(&list);
	free(path);
	return result;
}

int pki_issue(struct pki *p, const struct tls_wish *wish, bool replace, int64_t now_s,
	      char **ret_path, struct reason *why)
{
	struct buffer certificate = {0}, key = {0};
	char *folder = folder_of(&wish->identity);
	struct pki_entry entry = {.identity = wish->identity, .expires_s = wish->validity.until_s};
	int result = check_wish(p, &wish->identity, replace, now_s, why);

	if (result == 0)
		result = tls_authority_issue(p->authority, wish, &certificate, &key, entry.serial,
					     why);
	if (result == 0) {
		if (entry.expires_s > tls_authority_expires_s(p->authority))
			entry.expires_s = tls_authority_expires_s(p->authority);
		*add_entry(p) = entry;
		result = write_index(p, why);
	}
	if (result == 0)
		result = write_bundle(p, folder, &certificate, &key, now_s, why);
	if (result == 0)
		*ret_path = memory_format("%s/%s", p->directory, folder);
	buffer_finish(&certificate);
	tls_forget(&key);
	free(folder);
	return result;
}

int pki_revoke(struct pki *p, bool (*is_meant)(const struct pki_entry *, const void *),
	       const void *context, int64_t now_s, struct reason *why)
{
	int count = 0;

	for (unsigned i = 0; i < p->count; i++) {
		struct pki_entry *e = &p->entries[i];

		if (e->revoked_s || !is_meant(e, context))
			continue;
		e->revoked_s = now_s;
		count++;
	}
	if (!count)
		return 0;
	int result = write_index(p, why);

	if (result == 0)
		result = write_list(p, now_s, why);
	return result < 0 ? result : count;
}
