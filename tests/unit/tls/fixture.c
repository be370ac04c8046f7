/* The files that the tests of tls/ read. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void path_of(const struct pki *p, const char *name, char ret[TLS_PATH_SIZE])
{
	snprintf(ret, TLS_PATH_SIZE, "%s/%s", p->directory, name);
}

/* As a careful copy does: whole, and then in place. */
void pki_write(const struct pki *p, const char *name, const struct buffer *bytes)
{
	char path[TLS_PATH_SIZE], fresh[TLS_PATH_SIZE];

	path_of(p, name, path);
	path_of(p, "fresh", fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes->data, bytes->size), bytes->size);
	close(fd);
	assert_int_equal(rename(fresh, path), 0);
}

void pki_start(struct pki *p)
{
	int64_t now = time(NULL);
	struct tls_validity validity = {now - 100 * HOUR_S, now + 100 * HOUR_S};
	struct buffer certificate = {0};
	struct reason why;

	strcpy(p->directory, "/tmp/victor-test-XXXXXX");
	assert_non_null(mkdtemp(p->directory));
	assert_int_equal(tls_authority_create("test CA", validity, &p->authority, &why), 0);
	tls_authority_certificate(p->authority, &certificate);
	pki_write(p, "ca.pem", &certificate);
	buffer_finish(&certificate);
}

void pki_finish(struct pki *p)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", p->directory);
	assert_int_equal(system(command), 0);
	tls_authority_destroy(p->authority);
}

void pki_issue(struct pki *p, const char *urn, const char *name, int64_t shift_s,
	       char serial[TLS_SERIAL_SIZE])
{
	int64_t middle = time(NULL) + shift_s;
	struct tls_wish wish = {.validity = {middle - HOUR_S, middle + HOUR_S}};
	struct buffer certificate = {0}, key = {0};
	char own[TLS_SERIAL_SIZE], file[64];
	struct reason why;

	assert_int_equal(tls_identity_parse(urn, strlen(urn), &wish.identity), 0);
	assert_int_equal(tls_authority_issue(p->authority, &wish, &certificate, &key,
					     serial ? serial : own, &why),
			 0);
	snprintf(file, sizeof(file), "%s.pem", name);
	pki_write(p, file, &certificate);
	snprintf(file, sizeof(file), "%s.key", name);
	pki_write(p, file, &key);
	buffer_finish(&certificate);
	tls_forget(&key);
}

void pki_revoke(struct pki *p, const char *const *serials, unsigned count, uint64_t number)
{
	struct tls_revocation list[8] = {0};
	struct buffer crl = {0};
	struct reason why;

	for (unsigned i = 0; i < count; i++) {
		strcpy(list[i].serial, serials[i]);
		list[i].at_s = time(NULL) - 60;
	}
	assert_int_equal(
		tls_authority_revoke(p->authority, list, count, number, time(NULL) - 1, &crl, &why),
		0);
	pki_write(p, "crl.pem", &crl);
	buffer_finish(&crl);
}

struct tls_settings pki_settings(const struct pki *p, const char *name, bool is_server)
{
	struct tls_settings s = {.is_server = is_server,
				 .accept = is_server ? TLS_FE : TLS_CONTROLLER};
	char file[64];

	snprintf(file, sizeof(file), "%s.pem", name);
	path_of(p, file, s.files.certificate);
	snprintf(file, sizeof(file), "%s.key", name);
	path_of(p, file, s.files.key);
	path_of(p, "ca.pem", s.files.ca);
	return s;
}
