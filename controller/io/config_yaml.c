/* The shape of the configuration file, for libcyaml: which keys there are and of what type. Unknown
 * keys are refused by libcyaml itself.  What the values mean is config.c's business. */
#include "controller/io/config_yaml.h"

#include "controller/io/config.h"
#include "shell/config_file.h"

#define TEXT_MAX 255
#define REQUIRED_TEXT(key, type) \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, struct type, key, 1, TEXT_MAX)
#define TEXT(key, type)                                                                          \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key, \
			       1, TEXT_MAX)
#define TEXTS(key, type, most)                                                                 \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key, \
			     &text_value, 0, most)
#define LIST(key, item, most)                                                                    \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_config, \
			     key, item, 0, most)
#define NUMBER(key, type) CYAML_FIELD_UINT(#key, CYAML_FLAG_OPTIONAL, struct type, key)
#define NUMBER_OR_NOT(key, type) \
	CYAML_FIELD_UINT_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key)
#define FLAG(key, type)                                                                   \
	CYAML_FIELD_ENUM(#key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct type, key, \
			 config_file_booleans, CONFIG_FILE_BOOLEANS)

#define FLAG_OR_NOT(key, type)                                                                   \
	CYAML_FIELD_ENUM_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, \
			     struct type, key, config_file_booleans, CONFIG_FILE_BOOLEANS)

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};

static const cyaml_schema_field_t prefix_fields[] = {
	REQUIRED_TEXT(prefix, yaml_prefix),
	TEXT(gateway, yaml_prefix),
	TEXT(mode, yaml_prefix),
	FLAG(mobile, yaml_prefix),
	CYAML_FIELD_ENUM_PTR(
		"announce", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
		struct yaml_prefix, announce, config_file_booleans, CONFIG_FILE_BOOLEANS),
	FLAG(unreachable, yaml_prefix),
	FLAG(autoconf, yaml_prefix),
	TEXT(registration, yaml_prefix),
	NUMBER(vrf, yaml_prefix),
	TEXTS(elements, yaml_prefix, NODE_ELEMENTS_MAX),
	TEXTS(exits, yaml_prefix, PREFIX_EXITS_MAX),
	TEXTS(announce_at, yaml_prefix, PREFIX_EXITS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t network_fields[] = {
	REQUIRED_TEXT(name, yaml_network),
	NUMBER(as, yaml_network),
	TEXTS(elements, yaml_network, NETWORK_ELEMENTS_MAX),
	TEXTS(upstreams, yaml_network, NETWORK_NEIGHBORS_MAX),
	TEXTS(peers, yaml_network, NETWORK_NEIGHBORS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t number_value = {
	CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint32_t),
};

static const cyaml_schema_field_t bfd_fields[] = {
	FLAG_OR_NOT(enabled, yaml_bfd),
	NUMBER_OR_NOT(interval_ms, yaml_bfd),
	NUMBER_OR_NOT(multiplier, yaml_bfd),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t udp_fields[] = {
	TEXT(address, yaml_udp),
	NUMBER_OR_NOT(port, yaml_udp),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t udp_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_udp, udp_fields),
};

static const cyaml_schema_field_t registration_fields[] = {
	TEXT(key, yaml_registration),
	NUMBER_OR_NOT(lifetime, yaml_registration),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t discovery_fields[] = {
	FLAG_OR_NOT(enabled, yaml_discovery),
	NUMBER_OR_NOT(cost, yaml_discovery),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t link_fields[] = {
	CYAML_FIELD_SEQUENCE("between", CYAML_FLAG_POINTER, struct yaml_link, between, &text_value,
			     2, 2),
	TEXT(cost, yaml_link),
	TEXT(kind, yaml_link),
	TEXTS(ports, yaml_link, 2),
	NUMBER(bandwidth, yaml_link),
	TEXTS(labels, yaml_link, 2),
	CYAML_FIELD_SEQUENCE("labels_in", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct yaml_link, labels_in, &number_value, 0, 2),
	CYAML_FIELD_MAPPING_PTR("bfd", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_link,
				bfd, bfd_fields),
	CYAML_FIELD_SEQUENCE("udp", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_link, udp,
			     &udp_value, 0, 2),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t tunnel_fields[] = {
	CYAML_FIELD_SEQUENCE("between", CYAML_FLAG_POINTER, struct yaml_tunnel, between,
			     &text_value, 2, 2),
	TEXT(encapsulation, yaml_tunnel),
	TEXT(underlay, yaml_tunnel),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t allow_fields[] = {
	TEXTS(ports, yaml_allow, WORDS_SIZE / 2),
	TEXTS(sites, yaml_allow, WORDS_SIZE / 2),
	TEXTS(labels, yaml_allow, WORDS_SIZE / 2),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t import_fields[] = {
	REQUIRED_TEXT(prefix, yaml_import),
	CYAML_FIELD_UINT("vrf", CYAML_FLAG_DEFAULT, struct yaml_import, vrf),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t import_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_import, import_fields),
};

static const cyaml_schema_field_t site_fields[] = {
	REQUIRED_TEXT(name, yaml_site),
	TEXTS(elements, yaml_site, SITE_ELEMENTS_MAX),
	TEXTS(labels, yaml_site, WORDS_SIZE / 2),
	TEXTS(networks, yaml_site, SITE_NETWORKS_MAX - 1),
	CYAML_FIELD_SEQUENCE("imports", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_site,
			     imports, &import_value, 0, SITE_NETWORKS_MAX - 1),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t flapping_fields[] = {
	NUMBER_OR_NOT(claims, yaml_flapping),
	NUMBER_OR_NOT(window_s, yaml_flapping),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t node_fields[] = {
	REQUIRED_TEXT(id, yaml_node),
	TEXT(mac, yaml_node),
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct yaml_node, addresses,
			     &text_value, 1, NODE_ADDRESSES_MAX),
	TEXTS(elements, yaml_node, NODE_ELEMENTS_MAX),
	TEXTS(labels, yaml_node, WORDS_SIZE / 2),
	CYAML_FIELD_MAPPING_PTR("allow", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_node,
				allow, allow_fields),
	NUMBER(vrf, yaml_node),
	CYAML_FIELD_ENUM_PTR("mobile", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
			     struct yaml_node, mobile, config_file_booleans, CONFIG_FILE_BOOLEANS),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t element_routing_fields[] = {
	TEXT(netns, yaml_element_routing),
	TEXT(device, yaml_element_routing),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t element_port_fields[] = {
	REQUIRED_TEXT(match, yaml_element_port),
	REQUIRED_TEXT(role, yaml_element_port),
	NUMBER(segment, yaml_element_port),
	TEXT(identity, yaml_element_port),
	TEXT(address, yaml_element_port),
	TEXT(next_hop, yaml_element_port),
	TEXT(address6, yaml_element_port),
	TEXT(next_hop6, yaml_element_port),
	CYAML_FIELD_MAPPING_PTR("routing", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
				struct yaml_element_port, routing, element_routing_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t element_port_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_element_port, element_port_fields),
};

static const cyaml_schema_field_t element_backplane_fields[] = {
	REQUIRED_TEXT(address, yaml_element_backplane),
	NUMBER(mtu, yaml_element_backplane),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t element_fields[] = {
	REQUIRED_TEXT(name, yaml_element),
	CYAML_FIELD_UINT("id", CYAML_FLAG_DEFAULT, struct yaml_element, id),
	REQUIRED_TEXT(kind, yaml_element),
	NUMBER(idle_probe_ms, yaml_element),
	NUMBER(idle_give_up_ms, yaml_element),
	CYAML_FIELD_MAPPING("backplane", CYAML_FLAG_DEFAULT, struct yaml_element, backplane,
			    element_backplane_fields),
	CYAML_FIELD_SEQUENCE("ports", CYAML_FLAG_POINTER, struct yaml_element, ports,
			     &element_port_value, 0, DECLARED_PORTS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t timer_fields[] = {
	NUMBER_OR_NOT(port_grace_ms, yaml_timers),
	NUMBER_OR_NOT(prepare_timeout_ms, yaml_timers),
	NUMBER_OR_NOT(probe_timeout_ms, yaml_timers),
	NUMBER_OR_NOT(learn_timeout_ms, yaml_timers),
	NUMBER_OR_NOT(element_grace_ms, yaml_timers),
	NUMBER_OR_NOT(rebuild_timeout_ms, yaml_timers),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t access_fields[] = {
	TEXT(local, yaml_access),
	TEXT(anonymous, yaml_access),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t prefix_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_prefix, prefix_fields),
};
static const cyaml_schema_value_t site_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_site, site_fields),
};
static const cyaml_schema_value_t network_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_network, network_fields),
};
static const cyaml_schema_value_t link_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_link, link_fields),
};
static const cyaml_schema_value_t tunnel_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_tunnel, tunnel_fields),
};
static const cyaml_schema_value_t node_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_node, node_fields),
};

static const cyaml_schema_value_t element_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_element, element_fields),
};

static const cyaml_schema_field_t tls_fields[] = {
	REQUIRED_TEXT(certificate, yaml_tls),
	REQUIRED_TEXT(key, yaml_tls),
	REQUIRED_TEXT(ca, yaml_tls),
	TEXT(crl, yaml_tls),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_MAPPING_PTR("tls", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_config,
				tls, tls_fields),
	TEXT(name, yaml_config),
	TEXTS(southbound, yaml_config, CONFIG_ENDPOINTS_MAX),
	TEXTS(northbound, yaml_config, CONFIG_ENDPOINTS_MAX),
	FLAG(insecure, yaml_config),
	TEXT(state, yaml_config),
	TEXT(admission, yaml_config),
	TEXT(shared_ports, yaml_config),
	CYAML_FIELD_MAPPING("flapping", CYAML_FLAG_OPTIONAL, struct yaml_config, flapping,
			    flapping_fields),
	TEXT(gateway_mac, yaml_config),
	TEXT(encapsulation, yaml_config),
	TEXT(underlay, yaml_config),
	TEXT(log, yaml_config),
	NUMBER(shard, yaml_config),
	CYAML_FIELD_MAPPING("timers", CYAML_FLAG_OPTIONAL, struct yaml_config, timers,
			    timer_fields),
	CYAML_FIELD_MAPPING("discovery", CYAML_FLAG_OPTIONAL, struct yaml_config, discovery,
			    discovery_fields),
	CYAML_FIELD_MAPPING("access", CYAML_FLAG_OPTIONAL, struct yaml_config, access,
			    access_fields),
	LIST(sites, &site_value, SITES_MAX),
	CYAML_FIELD_MAPPING("registration", CYAML_FLAG_OPTIONAL, struct yaml_config, registration,
			    registration_fields),
	LIST(networks, &network_value, NETWORKS_MAX),
	LIST(prefixes, &prefix_value, PREFIXES_MAX),
	LIST(elements, &element_value, DECLARED_ELEMENTS_MAX),
	LIST(links, &link_value, LINKS_MAX),
	LIST(tunnels, &tunnel_value, LINKS_MAX),
	LIST(nodes, &node_value, CONFIG_NODES_MAX),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t config_yaml_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_config, config_fields),
};
