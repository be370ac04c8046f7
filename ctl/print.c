/* The only file that includes libsmartcols. */
#include "ctl/print.h"

#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool print_has_color(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no_color && no_color[0]);
}

struct json_object *print_find(struct json_object *object, const char *key)
{
	char name[64];

	while (*key) {
		size_t size = strcspn(key, ".");

		if (size >= sizeof(name) || !json_object_is_type(object, json_type_object))
			return NULL;
		memcpy(name, key, size);
		name[size] = '\0';
		if (!json_object_object_get_ex(object, name, &object))
			return NULL;
		key += size + (key[size] == '.');
	}
	return object;
}

const char *print_text(struct json_object *object, const char *key)
{
	struct json_object *value = print_find(object, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* What a terminal would take for a command does not come from a name somebody chose. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void print_value(struct json_object *value, char cell[CELL_SIZE])
{
	size_t used = 0;

	cell[0] = '\0';
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value) && used < CELL_SIZE; i++)
			used += (size_t)snprintf(
				cell + used, CELL_SIZE - used, "%s%s", i ? "," : "",
				json_object_get_string(json_object_array_get_idx(value, i)));
	} else if (json_object_is_type(value, json_type_boolean)) {
		snprintf(cell, CELL_SIZE, "%s", json_object_get_boolean(value) ? "yes" : "no");
	} else if (value) {
		snprintf(cell, CELL_SIZE, "%s", json_object_get_string(value));
	}
	make_printable(cell);
}

static const char *cell_color(const char *text)
{
	static const char *const good[] = {"online", "active", "up"};
	static const char *const bad[] = {"offline", "down"};
	static const char *const between[] = {"connecting", "synchronizing", "prepared", "probing",
					      "provisional"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (strcmp(text, good[i]) == 0)
			return "green";
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(text, bad[i]) == 0)
			return "red";
	}
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		if (strcmp(text, between[i]) == 0)
			return "yellow";
	}
	return NULL;
}

static void add_row(struct libscols_table *table, struct json_object *row,
		    const struct column *columns, size_t count)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char cell[CELL_SIZE];

	for (size_t i = 0; line && i < count; i++) {
		if (columns[i].write)
			columns[i].write(row, cell);
		else
			print_value(print_find(row, columns[i].key), cell);
		make_printable(cell);
		(void)scols_line_set_data(line, i, cell);
		if (cell_color(cell))
			(void)scols_cell_set_color(scols_line_get_cell(line, i), cell_color(cell));
	}
}

void print_table(struct json_object *list, const struct column *columns, size_t count,
		 const char *nothing)
{
	size_t rows =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	if (!rows) {
		if (nothing)
			puts(nothing);
		return;
	}
	struct libscols_table *table = scols_new_table();

	if (!table)
		return;
	scols_table_enable_colors(table, print_has_color());
	scols_table_set_column_separator(table, "  ");
	for (size_t i = 0; i < count; i++)
		(void)scols_table_new_column(table, columns[i].title, 0,
					     columns[i].right ? SCOLS_FL_RIGHT : 0);
	for (size_t i = 0; i < rows; i++)
		add_row(table, json_object_array_get_idx(list, i), columns, count);
	scols_print_table(table);
	scols_unref_table(table);
}

void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
}
