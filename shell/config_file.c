/* YAML for the daemons' config.c: libcyaml for the shape, libyaml for the lines.  libcyaml reports
 * through its log, from which the first message and the first place are taken. */
#include "shell/config_file.h"

#include "base/memory.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

const struct cyaml_strval config_file_booleans[CONFIG_FILE_BOOLEANS] = {
	{"false", 0}, {"true", 1}, {"no", 0}, {"yes", 1}};

int config_file_read(const char *path, char **ret, size_t *ret_size, struct reason *why)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return reason_set(why, -errno, "%s: %s; name the file with --config FILE", path,
				  strerror(errno));
	char *text = memory_alloc(CONFIG_FILE_SIZE_MAX + 1);
	size_t size = fread(text, 1, CONFIG_FILE_SIZE_MAX + 1, file);
	int result = 0;

	if (ferror(file))
		result = reason_set(why, -EIO, "%s: cannot be read: %s", path, strerror(errno));
	else if (size > CONFIG_FILE_SIZE_MAX)
		result = reason_set(why, -EFBIG, "%s: larger than %u MiB", path,
				    CONFIG_FILE_SIZE_MAX >> 20);
	fclose(file);
	if (result < 0) {
		free(text);
		return result;
	}
	*ret = text;
	*ret_size = size;
	return 0;
}

/* What libcyaml's log said: the message, and the innermost place of its backtrace. */
struct complaint {
	char message[256];
	char where[128];
	unsigned line;
};

static void hear(cyaml_log_t level, void *context, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void hear(cyaml_log_t level, void *context, const char *format, va_list args)
{
	struct complaint *c = context;
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	const char *line = strstr(text, "line: ");
	const char *in = strstr(text, "  in ");
	const char *message = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;

	if (line && !c->line)
		c->line = (unsigned)strtoul(line + strlen("line: "), NULL, 10);
	if (strstr(text, "Backtrace"))
		return;
	if (in && !c->where[0])
		snprintf(c->where, sizeof(c->where), "%.*s", (int)strcspn(in + 2, "("), in + 2);
	if (!in && !c->message[0])
		snprintf(c->message, sizeof(c->message), "%s", message);
}

static cyaml_config_t make_settings(struct complaint *complaint)
{
	return (cyaml_config_t){
		.log_fn = hear,
		.log_ctx = complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_DEFAULT,
	};
}

/* Syntax errors are libyaml's to explain: libcyaml gives no line for them. */
static bool explain_syntax(const char *path, const char *text, size_t size, struct reason *why)
{
	yaml_parser_t parser;
	yaml_document_t document;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	bool good = yaml_parser_load(&parser, &document);

	if (good)
		yaml_document_delete(&document);
	else
		reason_set(why, -EINVAL, "%s:%zu: this is not YAML: %s", path,
			   parser.problem_mark.line + 1,
			   parser.problem ? parser.problem : "it cannot be read");
	yaml_parser_delete(&parser);
	return !good;
}

struct config_lines {
	yaml_document_t document;
};

struct config_lines *config_lines_create(const char *text, size_t size)
{
	struct config_lines *lines = memory_alloc(sizeof(*lines));
	yaml_parser_t parser;
	bool good = false;

	if (yaml_parser_initialize(&parser)) {
		yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
		good = yaml_parser_load(&parser, &lines->document);
		yaml_parser_delete(&parser);
	}
	if (good)
		return lines;
	free(lines);
	return NULL;
}

void config_lines_destroy(struct config_lines *lines)
{
	if (!lines)
		return;
	yaml_document_delete(&lines->document);
	free(lines);
}

/* Steps into 'key' of a mapping; '*line' becomes the key's.  NULL: it is not there. */
static yaml_node_t *step_to_key(yaml_document_t *document, yaml_node_t *in, const char *key,
				unsigned *line)
{
	if (!in || in->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = in->data.mapping.pairs.start; p < in->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *name = yaml_document_get_node(document, p->key);

		if (!name || name->type != YAML_SCALAR_NODE ||
		    strcmp((const char *)name->data.scalar.value, key) != 0)
			continue;
		*line = (unsigned)name->start_mark.line + 1;
		return yaml_document_get_node(document, p->value);
	}
	return NULL;
}

/* The line of the first mapping key of that name at or after 'line'. */
static unsigned find_unknown_key(const char *text, size_t size, const char *key, unsigned line)
{
	struct config_lines *lines = config_lines_create(text, size);
	unsigned found = UINT_MAX;

	if (!lines)
		return line;
	yaml_document_t *document = &lines->document;

	for (yaml_node_t *n = document->nodes.start; n < document->nodes.top; n++) {
		unsigned at = 0;

		if (step_to_key(document, n, key, &at) && at >= line && at < found)
			found = at;
	}
	config_lines_destroy(lines);
	return found < UINT_MAX ? found : line;
}

/* libcyaml's words, in ours. */
static int explain_shape(const char *path, const char *text, size_t size, const struct complaint *c,
			 struct reason *why)
{
	static const char unknown[] = "Unexpected key: ",
			  missing[] = "Missing required mapping field: ";
	const char *key;

	if (strncmp(c->message, unknown, strlen(unknown)) == 0) {
		key = c->message + strlen(unknown);
		/* The backtrace has the place before it. */
		return reason_set(why, -EINVAL, "%s:%u: the key '%s' is not known here", path,
				  find_unknown_key(text, size, key, c->line), key);
	}
	if (strncmp(c->message, missing, strlen(missing)) == 0) {
		key = c->message + strlen(missing);
		return reason_set(why, -EINVAL, "%s:%u: '%s' is missing", path, c->line, key);
	}
	return reason_set(why, -EINVAL, "%s:%u: %s%s%s", path, c->line, c->message,
			  c->where[0] ? ", " : "", c->where);
}

int config_file_parse(const char *path, const char *text, size_t size,
		      const struct cyaml_schema_value *schema, void **ret, struct reason *why)
{
	struct complaint complaint = {0};
	cyaml_config_t settings = make_settings(&complaint);
	cyaml_data_t *data = NULL;

	if (explain_syntax(path, text, size, why))
		return -EINVAL;
	cyaml_err_t error =
		cyaml_load_data((const uint8_t *)text, size, &settings, schema, &data, NULL);

	if (error == CYAML_OK && data) {
		*ret = data;
		return 0;
	}
	if (error == CYAML_OK)
		return reason_set(why, -EINVAL, "%s: the file is empty", path);
	if (!complaint.message[0])
		snprintf(complaint.message, sizeof(complaint.message), "%s", cyaml_strerror(error));
	return explain_shape(path, text, size, &complaint, why);
}

void config_file_free(const struct cyaml_schema_value *schema, void *data)
{
	struct complaint complaint = {0};
	cyaml_config_t settings = make_settings(&complaint);

	cyaml_free(&settings, schema, data, 0);
}

static yaml_node_t *step_to_item(yaml_document_t *document, yaml_node_t *in, int index,
				 unsigned *line)
{
	if (!in || in->type != YAML_SEQUENCE_NODE ||
	    index >= in->data.sequence.items.top - in->data.sequence.items.start)
		return NULL;
	yaml_node_t *item = yaml_document_get_node(document, in->data.sequence.items.start[index]);

	if (item)
		*line = (unsigned)item->start_mark.line + 1;
	return item;
}

unsigned config_lines_find(const struct config_lines *lines, const char *key, int index,
			   const char *inner)
{
	if (!lines)
		return 0;
	/* libyaml's readers take no const; they change nothing. */
	yaml_document_t *document = (yaml_document_t *)(uintptr_t)&lines->document;
	unsigned line = 0;
	yaml_node_t *node =
		step_to_key(document, yaml_document_get_root_node(document), key, &line);

	if (index >= 0)
		node = step_to_item(document, node, index, &line);
	if (inner)
		(void)step_to_key(document, node, inner, &line);
	return line;
}
