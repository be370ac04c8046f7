/* controller/io: access, tokens, audit: the words, the tokens' file, the audit log's files. */
#include "controller/io/access.h"

#include "base/memory.h"
#include "controller/io/audit.h"
#include "controller/io/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int set_up(void **state)
{
	char *directory = strdup("/tmp/victor-test-XXXXXX");

	*state = mkdtemp(directory);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const files[] = {"tokens", "tokens.new", "audit.log", "audit.log.1"};

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		char *path = memory_format("%s/%s", (char *)*state, files[i]);

		(void)unlink(path);
		free(path);
	}
	int result = rmdir(*state);

	free(*state);
	return result;
}

static void only_a_bearer_token_is_one(void **state)
{
	assert_string_equal(bearer_token("Bearer victor_1"), "victor_1");
	assert_string_equal(bearer_token("bearer  a="), "a=");
	assert_null(bearer_token(""));
	assert_null(bearer_token("Bearer"));
	assert_null(bearer_token("Bearer "));
	assert_null(bearer_token("Bearer a b"));
	assert_null(bearer_token("Bearer a,b"));
	assert_null(bearer_token("Basic dXNlcjpwYXNz"));
}

static void a_token_outlives_the_process_and_not_its_revocation(void **state)
{
	struct tokens *t;
	struct reason why;
	char text[TOKEN_TEXT_SIZE], other[TOKEN_TEXT_SIZE], name[TOKEN_NAME_SIZE];
	struct stat file;
	char *path = memory_format("%s/tokens", (char *)*state);

	assert_int_equal(tokens_open(*state, &t, &why), 0);
	assert_int_equal(tokens_create(t, "ci", ROLE_OPERATE, 0, 1000, text, &why), 0);
	assert_int_equal(tokens_create(t, "short", ROLE_READ, 1060, 1000, other, &why), 0);
	assert_string_not_equal(text, other);
	assert_int_equal(tokens_create(t, "ci", ROLE_READ, 0, 1000, other, &why), -EEXIST);
	tokens_close(t);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	assert_int_equal(tokens_open(*state, &t, &why), 0);
	assert_int_equal(tokens_find(t, text, 2000, name), ROLE_OPERATE);
	assert_string_equal(name, "ci");
	text[10] ^= 1;
	assert_int_equal(tokens_find(t, text, 2000, name), ROLE_NONE);
	text[10] ^= 1;
	assert_int_equal(tokens_revoke(t, "ci", &why), 0);
	assert_int_equal(tokens_find(t, text, 2000, name), ROLE_NONE);
	assert_int_equal(tokens_revoke(t, "ci", &why), -ENOENT);
	tokens_close(t);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(tokens_open(*state, &t, &why), -EPERM);
	assert_non_null(strstr(why.text, "chmod 600"));
	free(path);
}

static void a_token_ends_when_it_expires(void **state)
{
	struct tokens *t;
	struct reason why;
	char text[TOKEN_TEXT_SIZE], name[TOKEN_NAME_SIZE];

	assert_int_equal(tokens_open(*state, &t, &why), 0);
	assert_int_equal(tokens_create(t, "short", ROLE_READ, 1060, 1000, text, &why), 0);
	assert_int_equal(tokens_find(t, text, 1059, name), ROLE_READ);
	assert_int_equal(tokens_find(t, text, 1060, name), ROLE_NONE);
	tokens_close(t);
}

static void refused(const char *text, unsigned line)
{
	static struct token list[TOKENS_MAX];
	struct reason why = {""};
	unsigned count;
	char where[16];

	snprintf(where, sizeof(where), "tokens:%u:", line);
	assert_int_equal(tokens_parse("tokens", text, strlen(text), list, &count, &why), -EINVAL);
	if (!strstr(why.text, where))
		fail_msg("expected '%s' in '%s'", where, why.text);
}

static void what_is_no_file_of_tokens_is_refused_with_its_line(void **state)
{
	static struct token list[TOKENS_MAX];
	static const char good[] = "victor-tokens 1\na read 1 0 " HASH "\nb admin 2 3 " HASH "\n";
	struct reason why;
	unsigned count;

	assert_int_equal(tokens_parse("tokens", good, sizeof(good) - 1, list, &count, &why), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[1].role, ROLE_ADMIN);
	assert_int_equal(list[1].expires_s, 3);
	refused("victor-tokens 2\n", 1);
	refused("a read 1 0 " HASH "\n", 1);
	refused("victor-tokens 1\na read 1 0 " HASH, 2);
	refused("victor-tokens 1\na none 1 0 " HASH "\n", 2);
	refused("victor-tokens 1\na read -1 0 " HASH "\n", 2);
	refused("victor-tokens 1\na read 1 0 " HASH "0\n", 2);
	refused("victor-tokens 1\na read 1 0 " HASH " \n", 2);
	refused("victor-tokens 1\na read 1 0 0123\n", 2);
	refused("victor-tokens 1\na/b read 1 0 " HASH "\n", 2);
	refused("victor-tokens 1\na read 1 0 " HASH "\na read 1 0 " HASH "\n", 3);
	refused("victor-tokens 1\n\n", 2);
}

static void on_lines(void *to, const struct buffer *lines)
{
	struct buffer *kept = to;

	buffer_add_bytes(kept, lines->data, lines->size);
	write_u8(kept, 0);
}

static void on_done(void *to, int result)
{
	assert_int_equal(result, 0);
	++*(unsigned *)to;
}

static void the_last_lines_are_read_over_a_rotation(void **state)
{
	struct audit *a;
	struct reason why;
	struct buffer kept = {0};
	unsigned done = 0;
	char *path = memory_format("%s/audit.log", (char *)*state);
	struct stat file;

	assert_int_equal(audit_open(*state, &a, &why), 0);
	audit_add(a, "{\"one\":1}", on_done, &done);
	audit_close(a);
	assert_int_equal(done, 1);
	/* As if it were full. */
	assert_int_equal(truncate(path, AUDIT_FILE_SIZE - 4), 0);
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, "\n{2}", 4), 4);
	close(fd);
	assert_int_equal(audit_open(*state, &a, &why), 0);
	audit_add(a, "{\"three\":3}", on_done, &done);
	audit_add(a, "{\"four\":4}", on_done, &done);
	audit_read(a, 3, on_lines, &kept);
	audit_close(a);
	assert_int_equal(done, 3);
	assert_string_equal((char *)kept.data, "{2}{\"three\":3}\n{\"four\":4}\n");
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, 23);
	assert_int_equal(file.st_mode & 0777, 0600);
	buffer_finish(&kept);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_bearer_token_is_one),
		cmocka_unit_test_setup_teardown(a_token_outlives_the_process_and_not_its_revocation,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_token_ends_when_it_expires, set_up, tear_down),
		cmocka_unit_test(what_is_no_file_of_tokens_is_refused_with_its_line),
		cmocka_unit_test_setup_teardown(the_last_lines_are_read_over_a_rotation, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
