/* One reading of the configuration file; what config.c and config_underlay.c share. */
#pragma once

#include "fe/io/config.h"
#include "fe/io/config_yaml.h"
#include "shell/config_file.h"

/* Where we are, for messages. */
struct reading {
	struct config *config;
	const struct yaml_config *yaml;
	const struct config_lines *lines;
	struct reason *why;
};

/* A place in the file. */
struct place {
	const char *key;
	int index; /* -1: the key itself */
	const char *inner;
};
#define AT(key) ((struct place){key, -1, NULL})

/* -EINVAL, with "FILE:LINE: " and the text as the reason. */
int config_refuse(const struct reading *r, struct place at, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* The addresses of the backplane and how packets are marked there. */
int config_read_underlay(const struct reading *r);
/* What access ports refuse; after the controllers. */
int config_read_guard(const struct reading *r);
