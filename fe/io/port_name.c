/* Names to ports: patterns, and numbers that stay with a name while its interface comes and goes,
 * and over a restart of the agent (OpenFlow port numbers are in the controller's rules).  port.c
 * asks; config.c makes the matches.
 *
 * The file has a line "NAME NUMBER" for each number given, and "NAME 0" where it was taken away. It
 * is appended to, and written anew when it is opened. */
#include "fe/io/port_name.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX (1u << 22) /* bytes of the file that are read */

struct port_number {
	uint32_t number;
	bool present;
	uint64_t order; /* when it went: lower is longer ago */
};

struct name_key {
	char name[OFP_PORT_NAME_SIZE];
};

bool port_pattern_is_name(const char *pattern)
{
	return !pattern[strcspn(pattern, "*?[\\")];
}

const struct port_match *port_match_find(const struct port_match *matches, unsigned count,
					 const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(matches[i].pattern, name) == 0)
			return &matches[i];
	}
	for (unsigned i = 0; i < count; i++) {
		if (!port_pattern_is_name(matches[i].pattern) &&
		    fnmatch(matches[i].pattern, name, 0) == 0)
			return &matches[i];
	}
	return NULL;
}

static bool is_used(const struct port_numbers *n, uint32_t number)
{
	return n->used[number / 8] >> (number % 8) & 1;
}

static void set_used(struct port_numbers *n, uint32_t number, bool used)
{
	uint8_t bit = (uint8_t)(1u << (number % 8));

	if (used) {
		n->used[number / 8] |= bit;
		return;
	}
	n->used[number / 8] &= (uint8_t)~bit;
	if (number < n->lowest)
		n->lowest = number;
}

void port_numbers_init(struct port_numbers *n, const struct port_match *matches, unsigned count)
{
	memset(n, 0, sizeof(*n));
	n->file = -1;
	n->lowest = 1;
	table_init(&n->by_name, sizeof(struct name_key), sizeof(struct port_number), 0);
	for (unsigned i = 0; i < count; i++) {
		if (matches[i].info.number <= PORT_NUMBER_MAX)
			set_used(n, matches[i].info.number, true);
	}
	set_used(n, 0, true);
}

void port_numbers_finish(struct port_numbers *n)
{
	table_finish(&n->by_name);
	if (n->file >= 0)
		close(n->file);
}

static struct name_key make_key(const char *name)
{
	struct name_key key = {{0}};

	/* An interface's name is shorter than IFNAMSIZ, which is the same 16. */
	memcpy(key.name, name, strnlen(name, sizeof(key.name) - 1));
	return key;
}

static void remember(struct port_numbers *n, const char *name, uint32_t number)
{
	struct name_key key = make_key(name);
	struct port_number *p;

	if (is_used(n, number))
		return;
	p = table_put(&n->by_name, &key, NULL);
	if (p->number)
		set_used(n, p->number, false);
	*p = (struct port_number){.number = number, .order = n->next_order++};
	set_used(n, number, true);
}

static void forget(struct port_numbers *n, const char *name)
{
	const struct name_key key = make_key(name);
	const struct port_number *p = table_get(&n->by_name, &key);

	if (!p)
		return;
	set_used(n, p->number, false);
	(void)table_remove(&n->by_name, &key);
}

static void read_lines(struct port_numbers *n, char *text)
{
	char *rest = text;

	for (char *end; (end = strchr(rest, '\n')); rest = end + 1) {
		char name[OFP_PORT_NAME_SIZE];
		unsigned number;

		*end = '\0';
		if (sscanf(rest, "%15s %5u", name, &number) != 2 || number > PORT_NUMBER_MAX)
			continue;
		if (number)
			remember(n, name, number);
		else
			forget(n, name);
	}
}

/* Losing a line only costs that number's name its memory over a restart. */
static void keep_line(const struct port_numbers *n, const char *name, uint32_t number)
{
	char line[OFP_PORT_NAME_SIZE + 16];
	int size = snprintf(line, sizeof(line), "%.15s %u\n", name, number);

	if (n->file >= 0)
		(void)!write(n->file, line, (size_t)size);
}

static int read_kept(struct port_numbers *n, int file)
{
	char *text = memory_alloc(KEPT_MAX + 1);
	size_t size = 0;
	ssize_t got;

	while (size < KEPT_MAX && (got = read(file, text + size, KEPT_MAX - size)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	read_lines(n, text);
	free(text);
	return got < 0 ? -errno : 0;
}

int port_numbers_open(struct port_numbers *n, const char *path)
{
	int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	const struct name_key *key;
	struct port_number *p;
	size_t at = 0;

	if (file < 0)
		return -errno;
	int result = read_kept(n, file);

	if (result == 0 && ftruncate(file, 0) < 0)
		result = -errno;
	if (result < 0) {
		close(file);
		return result;
	}
	n->file = file;
	while (table_next(&n->by_name, &at, (const void **)&key, (void **)&p))
		keep_line(n, key->name, p->number);
	return 0;
}

static uint32_t find_free(struct port_numbers *n)
{
	while (n->lowest <= PORT_NUMBER_MAX && is_used(n, n->lowest))
		n->lowest++;
	return n->lowest <= PORT_NUMBER_MAX ? n->lowest : 0;
}

/* Frees the number of the name that is gone longest. */
static uint32_t take_over(struct port_numbers *n)
{
	const struct name_key *key;
	struct name_key oldest;
	struct port_number *p;
	uint64_t order = UINT64_MAX;
	uint32_t number = 0;
	size_t at = 0;

	while (table_next(&n->by_name, &at, (const void **)&key, (void **)&p)) {
		if (p->present || p->order >= order)
			continue;
		order = p->order;
		number = p->number;
		oldest = *key;
	}
	if (number) {
		forget(n, oldest.name);
		keep_line(n, oldest.name, 0);
	}
	return number;
}

uint32_t port_numbers_take(struct port_numbers *n, const struct port_match *match, const char *name)
{
	const struct name_key key = make_key(name);
	struct port_number *p;

	if (match->info.number)
		return match->info.number;
	p = table_get(&n->by_name, &key);
	if (!p) {
		uint32_t number = find_free(n);

		if (!number)
			number = take_over(n);
		if (!number)
			return 0;
		remember(n, name, number);
		keep_line(n, name, number);
		p = table_get(&n->by_name, &key);
	}
	p->present = true;
	return p->number;
}

void port_numbers_release(struct port_numbers *n, const char *name)
{
	const struct name_key key = make_key(name);
	struct port_number *p = table_get(&n->by_name, &key);

	if (p) {
		p->present = false;
		p->order = n->next_order++;
	}
}
