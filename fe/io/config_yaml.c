/* The shape of the configuration file, for libcyaml: which keys there are and of what type. Unknown
 * keys are refused by libcyaml itself.  What the values mean is config.c's business. */
#include "fe/io/config_yaml.h"

#include "fe/io/config.h"
#include "shell/config_file.h"

#include <cyaml/cyaml.h>

#define TEXT_MAX 255
#define OPTIONAL_POINTER (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define REQUIRED_TEXT(key, type) \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, struct type, key, 1, TEXT_MAX)
#define TEXT(key, type) \
	CYAML_FIELD_STRING_PTR(#key, OPTIONAL_POINTER, struct type, key, 1, TEXT_MAX)
#define LIST(key, item, most) \
	CYAML_FIELD_SEQUENCE(#key, OPTIONAL_POINTER, struct yaml_config, key, item, 0, most)
#define NUMBER(key, type) CYAML_FIELD_UINT(#key, CYAML_FLAG_OPTIONAL, struct type, key)
#define NUMBER_OR_NOT(key, type) CYAML_FIELD_UINT_PTR(#key, OPTIONAL_POINTER, struct type, key)
#define FLAG(key, type)                                                                   \
	CYAML_FIELD_ENUM(#key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct type, key, \
			 config_file_booleans, CONFIG_FILE_BOOLEANS)

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};

static const cyaml_schema_field_t backplane_fields[] = {
	TEXT(device, yaml_backplane),    TEXT(address, yaml_backplane),
	TEXT(redirect, yaml_backplane),  TEXT(address6, yaml_backplane),
	TEXT(redirect6, yaml_backplane), TEXT(spread, yaml_backplane),
	TEXT(spread6, yaml_backplane),   TEXT(diffserv, yaml_backplane),
	NUMBER(number, yaml_backplane),  CYAML_FIELD_END,
};

static const cyaml_schema_field_t access_fields[] = {
	REQUIRED_TEXT(match, yaml_port), TEXT(identity, yaml_port), NUMBER(number, yaml_port),
	NUMBER(segment, yaml_port),      FLAG(trunk, yaml_port),    CYAML_FIELD_END,
};

static const cyaml_schema_field_t external_fields[] = {
	REQUIRED_TEXT(match, yaml_port),
	NUMBER(number, yaml_port),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t link_fields[] = {
	REQUIRED_TEXT(match, yaml_port),
	REQUIRED_TEXT(kind, yaml_port),
	NUMBER(number, yaml_port),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t timer_fields[] = {
	NUMBER_OR_NOT(idle_probe_ms, yaml_timers),
	NUMBER_OR_NOT(idle_give_up_ms, yaml_timers),
	NUMBER_OR_NOT(tentative_ms, yaml_timers),
	NUMBER_OR_NOT(hold_ms, yaml_timers),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t announce_fields[] = {
	NUMBER_OR_NOT(patience_s, yaml_announce),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t share_fields[] = {
	NUMBER_OR_NOT(rate, yaml_share),
	NUMBER_OR_NOT(burst, yaml_share),
	CYAML_FIELD_END,
};

#define SHARE(key) \
	CYAML_FIELD_MAPPING(#key, CYAML_FLAG_OPTIONAL, struct yaml_guard, key, share_fields)
static const cyaml_schema_field_t guard_fields[] = {
	FLAG(closed, yaml_guard),
	CYAML_FIELD_SEQUENCE("shield", OPTIONAL_POINTER, struct yaml_guard, shield, &text_value, 0,
			     DATAPATH_SHIELDS_MAX - CONFIG_CONTROLLERS_MAX),
	SHARE(neighbor),
	SHARE(stranger),
	SHARE(registration),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t tls_fields[] = {
	REQUIRED_TEXT(certificate, yaml_tls),
	REQUIRED_TEXT(key, yaml_tls),
	REQUIRED_TEXT(ca, yaml_tls),
	TEXT(crl, yaml_tls),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t access_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_port, access_fields),
};
static const cyaml_schema_value_t external_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_port, external_fields),
};

static const cyaml_schema_value_t link_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_port, link_fields),
};

static const cyaml_schema_field_t config_fields[] = {
	REQUIRED_TEXT(name, yaml_config),
	CYAML_FIELD_UINT("id", CYAML_FLAG_DEFAULT, struct yaml_config, id),
	FLAG(insecure, yaml_config),
	LIST(controllers, &text_value, CONFIG_CONTROLLERS_MAX),
	LIST(routing_daemons, &text_value, CONFIG_DAEMONS_MAX),
	TEXT(inspect, yaml_config),
	TEXT(listen, yaml_config),
	TEXT(state, yaml_config),
	TEXT(log, yaml_config),
	TEXT(xdp, yaml_config),
	NUMBER_OR_NOT(binding_limit, yaml_config),
	NUMBER_OR_NOT(awake_us, yaml_config),
	CYAML_FIELD_MAPPING_PTR("backplane", OPTIONAL_POINTER, struct yaml_config, backplane,
				backplane_fields),
	LIST(links, &link_value, CONFIG_MATCHES_MAX / 8),
	LIST(access, &access_value, CONFIG_MATCHES_MAX / 2),
	LIST(external, &external_value, CONFIG_MATCHES_MAX / 4),
	CYAML_FIELD_MAPPING("timers", CYAML_FLAG_OPTIONAL, struct yaml_config, timers,
			    timer_fields),
	CYAML_FIELD_MAPPING("announce", CYAML_FLAG_OPTIONAL, struct yaml_config, announce,
			    announce_fields),
	CYAML_FIELD_MAPPING("guard", CYAML_FLAG_OPTIONAL, struct yaml_config, guard, guard_fields),
	CYAML_FIELD_MAPPING_PTR("tls", OPTIONAL_POINTER, struct yaml_config, tls, tls_fields),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t config_yaml_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_config, config_fields),
};
