/* The configuration file as YAML has it: text and numbers, not yet understood.  Only for config.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct yaml_backplane {
	char *device, *address, *redirect, *address6, *redirect6, *spread, *spread6, *diffserv;
	uint32_t number; /* 0: not said */
};

struct yaml_port {
	char *match, *identity, *kind;
	uint32_t number, segment; /* 0: not said */
	bool trunk;
};

struct yaml_timers {
	uint32_t *idle_probe_ms, *idle_give_up_ms, *tentative_ms, *hold_ms;
};

struct yaml_share {
	uint32_t *rate, *burst;
};

struct yaml_guard {
	bool closed;
	char **shield;
	unsigned shield_count;
	struct yaml_share neighbor, stranger, registration;
};

struct yaml_announce {
	uint32_t *patience_s;
};

struct yaml_tls {
	char *certificate, *key, *ca, *crl;
};

struct yaml_config {
	char *name, *inspect, *listen, *state, *log, *xdp;
	uint32_t *awake_us;
	char **controllers;
	unsigned controllers_count;
	char **routing_daemons;
	unsigned routing_daemons_count;
	uint32_t id;
	uint32_t *binding_limit;
	bool insecure;
	struct yaml_backplane *backplane;
	struct yaml_port *access, *external, *links;
	unsigned access_count, external_count, links_count;
	struct yaml_timers timers;
	struct yaml_announce announce;
	struct yaml_guard guard;
	struct yaml_tls *tls;
};

struct cyaml_schema_value;
extern const struct cyaml_schema_value config_yaml_schema;
