/* Lists.  Long ones come in pieces (docs/openapi.yaml: limit, after); people see one, in order. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/print.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define PIECE "?limit=1000"

/* 'answer' is put; NULL: it was complained of. */
static int show_list(const struct ctl *ctl, struct json_object *answer, const char *key,
		     const struct column *columns, size_t count, const char *nothing)
{
	if (!answer)
		return EXIT_FAILURE;
	if (ctl->json)
		print_json(answer);
	else
		print_table(print_find(answer, key), columns, count, nothing);
	json_object_put(answer);
	return EXIT_SUCCESS;
}

int ctl_list(struct ctl *ctl, const char *pattern, const char *key, const struct column *columns,
	     size_t count, const char *nothing)
{
	return show_list(ctl, ctl_get(ctl, pattern), key, columns, count, nothing);
}

static struct json_object *get_piece(struct ctl *ctl, const char *path, const char *next)
{
	char *whole = next ? memory_format("%s" PIECE "&after=%s", path, next)
			   : memory_format("%s" PIECE, path);
	struct json_object *answer = ctl_get(ctl, whole);

	free(whole);
	return answer;
}

static void move_items(struct json_object *from, struct json_object *to)
{
	for (size_t i = 0; i < json_object_array_length(from); i++)
		json_object_array_add(to, json_object_get(json_object_array_get_idx(from, i)));
}

static int compare_ids(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;
	const char *key = print_find(*x, "id") ? "id" : "node";

	return strcmp(print_text(*x, key), print_text(*y, key));
}

struct json_object *ctl_get_all(struct ctl *ctl, const char *path, const char *key)
{
	struct json_object *list = json_object_new_array(), *whole = json_object_new_object();
	struct json_object *answer = get_piece(ctl, path, NULL);

	while (answer) {
		struct json_object *piece = print_find(answer, key);
		char *next = memory_format("%s", print_text(answer, "next"));
		bool more = next[0] != '\0';

		if (piece)
			move_items(piece, list);
		json_object_put(answer);
		answer = more ? get_piece(ctl, path, next) : NULL;
		free(next);
		if (more)
			continue;
		json_object_array_sort(list, compare_ids);
		json_object_object_add(whole, key, list);
		return whole;
	}
	json_object_put(list);
	json_object_put(whole);
	return NULL;
}

int ctl_list_all(struct ctl *ctl, const char *path, const char *key, const struct column *columns,
		 size_t count, const char *nothing)
{
	return show_list(ctl, ctl_get_all(ctl, path, key), key, columns, count, nothing);
}
