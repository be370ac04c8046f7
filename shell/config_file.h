/* A daemon's YAML configuration file, read against a libcyaml schema, and refused with file and
 * line. Unknown keys are refused.  What the values mean is the daemon's own config.c's business. */
#pragma once

#include "base/reason.h"

#include <cyaml/cyaml.h>
#include <stddef.h>

#define CONFIG_FILE_SIZE_MAX (16u << 20)

#define CONFIG_FILE_BOOLEANS 4
extern const struct cyaml_strval config_file_booleans[CONFIG_FILE_BOOLEANS];

/* The whole file, which the caller frees; or a negative errno with a reason. */
MUST_USE int config_file_read(const char *path, char **ret, size_t *ret_size, struct reason *why);
/* 0 and what the schema says at '*ret'; or -EINVAL and "PATH:LINE: what is wrong". */
MUST_USE int config_file_parse(const char *path, const char *text, size_t size,
			       const struct cyaml_schema_value *schema, void **ret,
			       struct reason *why);
void config_file_free(const struct cyaml_schema_value *schema, void *data);

/* Where things are in the file: libcyaml checks types and keys, but does not tell lines of what it
 * accepted.  create returns NULL for what is not YAML; the others accept NULL. */
struct config_lines;
struct config_lines *config_lines_create(const char *text, size_t size);
void config_lines_destroy(struct config_lines *lines);
/* The line of 'key' at the top; of its item 'index' where index >= 0; of the key 'inner' in that
 * where 'inner' is not NULL.  What is not there gives the line of what it would be in; 0: nothing
 * is there. */
unsigned config_lines_find(const struct config_lines *lines, const char *key, int index,
			   const char *inner);
