/* The shape of the configuration file, for libcyaml: which keys there are and of what type.  Unknown
 * keys are refused by libcyaml itself.  What the values mean is config.c's business. */
#include "controller/io/config_yaml.h"

#include "base/memory.h"
#include "controller/io/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define TEXT_MAX 255
#define REQUIRED_TEXT(key, type)                                                                   \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, struct type, key, 1, TEXT_MAX)
#define TEXT(key, type)                                                                            \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key,   \
			       1, TEXT_MAX)
#define TEXTS(key, type, most)                                                                     \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key,     \
			     &text_value, 0, most)
#define LIST(key, item, most)                                                                      \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_config,   \
			     key, item, 0, most)
#define NUMBER(key, type) CYAML_FIELD_UINT(#key, CYAML_FLAG_OPTIONAL, struct type, key)
#define NUMBER_OR_NOT(key, type)                                                                   \
	CYAML_FIELD_UINT_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key)
#define FLAG(key, type) CYAML_FIELD_BOOL(#key, CYAML_FLAG_OPTIONAL, struct type, key)

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};

static const cyaml_schema_field_t prefix_fields[] = {
	REQUIRED_TEXT(prefix, yaml_prefix),
	TEXT(gateway, yaml_prefix),
	FLAG(mobile, yaml_prefix),
	NUMBER(vrf, yaml_prefix),
	TEXTS(elements, yaml_prefix, NODE_ELEMENTS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t link_fields[] = {
	CYAML_FIELD_SEQUENCE("between", CYAML_FLAG_POINTER, struct yaml_link, between, &text_value,
			     2, 2),
	NUMBER_OR_NOT(cost, yaml_link),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t node_fields[] = {
	REQUIRED_TEXT(id, yaml_node),
	TEXT(mac, yaml_node),
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct yaml_node, addresses,
			     &text_value, 1, NODE_ADDRESSES_MAX),
	TEXTS(elements, yaml_node, NODE_ELEMENTS_MAX),
	NUMBER(vrf, yaml_node),
	CYAML_FIELD_BOOL_PTR("mobile", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_node,
			     mobile),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t timer_fields[] = {
	NUMBER_OR_NOT(port_grace_ms, yaml_timers),
	NUMBER_OR_NOT(prepare_timeout_ms, yaml_timers),
	NUMBER_OR_NOT(probe_timeout_ms, yaml_timers),
	NUMBER_OR_NOT(learn_timeout_ms, yaml_timers),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t prefix_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_prefix, prefix_fields),
};
static const cyaml_schema_value_t link_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_link, link_fields),
};
static const cyaml_schema_value_t node_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_node, node_fields),
};

static const cyaml_schema_field_t config_fields[] = {
	TEXT(name, yaml_config),
	TEXTS(southbound, yaml_config, CONFIG_ENDPOINTS_MAX),
	TEXTS(northbound, yaml_config, CONFIG_ENDPOINTS_MAX),
	FLAG(insecure, yaml_config),
	TEXT(state, yaml_config),
	TEXT(admission, yaml_config),
	TEXT(gateway_mac, yaml_config),
	TEXT(log, yaml_config),
	NUMBER(shard, yaml_config),
	CYAML_FIELD_MAPPING("timers", CYAML_FLAG_OPTIONAL, struct yaml_config, timers, timer_fields),
	LIST(prefixes, &prefix_value, PREFIXES_MAX),
	LIST(links, &link_value, LINKS_MAX),
	LIST(nodes, &node_value, CONFIG_NODES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_config, config_fields),
};

/* libcyaml reports through its log: the message, then a backtrace from the inside out.  Kept: the
 * first message, and the first place. */
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

	if (line && !c->line)
		c->line = (unsigned)strtoul(line + strlen("line: "), NULL, 10);
	if (strstr(text, "Backtrace"))
		return;
	const char *in = strstr(text, "  in ");

	if (in && !c->where[0])
		snprintf(c->where, sizeof(c->where), "%.*s", (int)strcspn(in + 2, "("), in + 2);
	const char *message = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;

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

/* libyaml's readers take no const; they change nothing. */
static yaml_document_t *borrow_document(const struct config_lines *lines)
{
	return (yaml_document_t *)(uintptr_t)&lines->document;
}

/* The key in a mapping, or NULL; '*ret_value' may be NULL. */
static yaml_node_t *find_key(yaml_document_t *document, yaml_node_t *mapping, const char *key,
			     yaml_node_t **ret_value)
{
	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start;
	     p < mapping->data.mapping.pairs.top; p++) {
		yaml_node_t *name = yaml_document_get_node(document, p->key);

		if (!name || name->type != YAML_SCALAR_NODE ||
		    strcmp((const char *)name->data.scalar.value, key) != 0)
			continue;
		if (ret_value)
			*ret_value = yaml_document_get_node(document, p->value);
		return name;
	}
	return NULL;
}

unsigned config_lines_find(const struct config_lines *lines, const char *key, int index)
{
	if (!lines)
		return 0;
	yaml_document_t *document = borrow_document(lines);
	yaml_node_t *node = NULL;

	if (!find_key(document, yaml_document_get_root_node(document), key, &node) || !node)
		return 0;
	if ( index >= 0 && node->type == YAML_SEQUENCE_NODE &&
	    node->data.sequence.items.start + index < node->data.sequence.items.top)
		node = yaml_document_get_node(document, node->data.sequence.items.start[index]);
	return node ? (unsigned)node->start_mark.line + 1 : 0;
}

/* libcyaml names the mapping that a key it does not know is in; here is the key's own line. */
static unsigned find_unknown_key(const struct config_lines *lines, unsigned mapping_line,
				 const char *key)
{
	if (!lines)
		return mapping_line;
	yaml_document_t *document = borrow_document(lines);

	for (int id = 1;; id++) {
		yaml_node_t *node = yaml_document_get_node(document, id);

		if (!node)
			return mapping_line;
		if (node->type != YAML_MAPPING_NODE || node->start_mark.line + 1 != mapping_line)
			continue;
		yaml_node_t *found = find_key(document, node, key, NULL);

		if (found)
			return (unsigned)found->start_mark.line + 1;
	}
}

static void find_line(const char *text, size_t size, struct complaint *c)
{
	static const char unexpected[] = "Unexpected key: ";

	if (strncmp(c->message, unexpected, strlen(unexpected)) != 0)
		return;
	struct config_lines *lines = config_lines_create(text, size);

	c->line = find_unknown_key(lines, c->line, c->message + strlen(unexpected));
	config_lines_destroy(lines);
}

int config_yaml_load(const char *path, const char *text, size_t size, struct yaml_config **ret,
		     struct reason *why)
{
	struct complaint complaint = {0};
	cyaml_config_t settings = make_settings(&complaint);
	cyaml_data_t *data = NULL;

	if (explain_syntax(path, text, size, why))
		return -EINVAL;
	cyaml_err_t error = cyaml_load_data((const uint8_t *)text, size, &settings, &config_value,
					    &data, NULL);

	if (error == CYAML_OK && data) {
		*ret = data;
		return 0;
	}
	find_line(text, size, &complaint);
	return reason_set(why, -EINVAL, "%s:%u: %s%s%s", path, complaint.line,
			  complaint.message[0] ? complaint.message
			  : error == CYAML_OK  ? "the file is empty"
					       : cyaml_strerror(error),
			  complaint.where[0] ? ", " : "", complaint.where);
}

void config_yaml_free(struct yaml_config *y)
{
	struct complaint complaint = {0};
	cyaml_config_t settings = make_settings(&complaint);

	cyaml_free(&settings, &config_value, y, 0);
}

