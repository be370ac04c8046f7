/* Aligned tables from lists of JSON objects. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_object;

#define CELL_SIZE 512

struct column {
	const char *title;
	/* Where the text comes from: a key, "key.key" into objects ("" where there is none). */
	const char *key;
	bool right; /* aligned: numbers */
	/* Writes the cell itself instead; 'row' is the list's item. */
	void (*write)(struct json_object *row, char cell[CELL_SIZE]);
};

/* Whether to colour: stdout is a terminal, and NO_COLOR is not set. */
bool print_has_color(void);
/* Prints 'list'; 'nothing' where it is empty. */
void print_table(struct json_object *list, const struct column *columns, size_t count,
		 const char *nothing);
/* The object for programs: indented, one line behind it. */
void print_json(struct json_object *object);
/* One value as a cell has it: text, numbers, "yes"/"no", lists with commas; "" for null. */
void print_value(struct json_object *value, char cell[CELL_SIZE]);
/* The value at "key.key"; NULL where it is not there or null. */
struct json_object *print_find(struct json_object *object, const char *key);
/* Its text; "" where it is not there. */
const char *print_text(struct json_object *object, const char *key);
