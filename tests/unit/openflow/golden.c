/* Messages that Open vSwitch sent (tests/golden/openflow): each is decoded and encoded again.
 *
 *	test-openflow-golden FILE...
 *
 * A file has one message a line, "name: hex"; where our bytes differ from the switch's (we write
 * other names of the same fields, and do not keep all that a port reports), a line "becomes: hex"
 * follows, or "refused: ERROR_NAME" where we do not take it. */
#include "openflow/error.h"
#include "reencode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_hex(const char *text, struct buffer *b)
{
	static const char digits[] = "0123456789abcdef";
	unsigned byte;

	buffer_clear(b);
	for (; sscanf(text, " %2x", &byte) == 1; text = strpbrk(text, digits) + 2)
		write_u8(b, (uint8_t)byte);
}

static void print_hex(const char *what, const struct buffer *b)
{
	printf("  %s", what);
	for (size_t i = 0; i < b->size; i++)
		printf("%02x", b->data[i]);
	printf("\n");
}

struct golden {
	char name[64];
	struct buffer in, expected, out;
	char refused[64];
};

/* 0 if the message in 'g' is as it should be. */
static int check(struct golden *g)
{
	struct buffer *expected = g->expected.size ? &g->expected : &g->in;
	int r;

	buffer_clear(&g->out);
	r = reencode(g->in.data, g->in.size, &g->out);
	if (g->refused[0] && r < 0 && !strcmp(ofp_error_string(r), g->refused))
		return 0;
	if (!g->refused[0] && !r && g->out.size == expected->size &&
	    !memcmp(g->out.data, expected->data, expected->size))
		return 0;
	printf("%s: %s\n", g->name, r ? ofp_error_string(r) : "the bytes differ");
	print_hex("expected ", expected);
	print_hex("got      ", &g->out);
	return 1;
}

static int check_file(const char *path, unsigned *count)
{
	FILE *file = fopen(path, "r");
	struct golden g = {0};
	char *line = NULL;
	size_t size = 0;
	int failed = 0;

	if (!file) {
		perror(path);
		return 1;
	}
	while (getline(&line, &size, file) > 0) {
		char *colon = strchr(line, ':');

		if (line[0] == '#' || !colon)
			continue;
		*colon++ = 0;
		if (!strcmp(line, "becomes")) {
			read_hex(colon, &g.expected);
		} else if (!strcmp(line, "refused")) {
			sscanf(colon, " %63s", g.refused);
		} else {
			failed += g.name[0] ? check(&g) : 0;
			snprintf(g.name, sizeof(g.name), "%s", line);
			read_hex(colon, &g.in);
			buffer_clear(&g.expected);
			g.refused[0] = 0;
			++*count;
		}
	}
	failed += g.name[0] ? check(&g) : 1;
	free(line);
	fclose(file);
	buffer_finish(&g.in);
	buffer_finish(&g.expected);
	buffer_finish(&g.out);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int failed = argc < 2;

	for (int i = 1; i < argc; i++)
		failed += check_file(argv[i], &count);
	printf("%u messages, %d wrong\n", count, failed);
	return failed != 0;
}
