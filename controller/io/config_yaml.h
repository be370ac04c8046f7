/* The configuration file as YAML has it: text and numbers, not yet understood.  Only for config.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yaml_prefix {
	char *prefix, *gateway, *mode, *registration;
	bool mobile, unreachable, autoconf, *announce;
	uint32_t vrf;
	char **elements, **exits, **announce_at;
	unsigned elements_count, exits_count, announce_at_count;
};

struct yaml_network {
	char *name;
	uint32_t as;
	char **elements, **upstreams, **peers;
	unsigned elements_count, upstreams_count, peers_count;
};

struct yaml_link {
	char **between;
	unsigned between_count;
	char *cost, *kind;
	char **ports, **labels;
	uint32_t *labels_in;
	uint32_t bandwidth;
	struct yaml_bfd *bfd;
	struct yaml_udp *udp;
	unsigned ports_count, labels_count, labels_in_count, udp_count;
};

struct yaml_bfd {
	bool *enabled;
	uint32_t *interval_ms, *multiplier;
};

struct yaml_udp {
	char *address;
	uint32_t *port;
};

struct yaml_registration {
	char *key;
	uint32_t *lifetime;
};

struct yaml_discovery {
	bool *enabled;
	uint32_t *cost;
};

struct yaml_tunnel {
	char **between;
	unsigned between_count;
	char *encapsulation, *underlay;
};

struct yaml_import {
	char *prefix;
	uint32_t vrf;
};

struct yaml_site {
	char *name;
	char **elements, **labels, **networks;
	struct yaml_import *imports;
	unsigned elements_count, labels_count, networks_count, imports_count;
};

struct yaml_flapping {
	uint32_t *claims, *window_s;
};

struct yaml_allow {
	char **ports, **sites, **labels;
	unsigned ports_count, sites_count, labels_count;
};

struct yaml_node {
	char *id, *mac;
	char **addresses, **elements, **labels;
	unsigned addresses_count, elements_count, labels_count;
	struct yaml_allow *allow;
	uint32_t vrf;
	bool *mobile;
};

struct yaml_element_routing {
	char *netns, *device;
};

struct yaml_element_port {
	char *match, *role, *identity, *address, *next_hop, *address6, *next_hop6;
	struct yaml_element_routing *routing;
	uint32_t segment;
};

struct yaml_element_backplane {
	char *address;
	uint32_t mtu;
};

struct yaml_element {
	char *name, *kind;
	uint32_t id, idle_probe_ms, idle_give_up_ms;
	struct yaml_element_backplane backplane;
	struct yaml_element_port *ports;
	unsigned ports_count;
};

struct yaml_timers {
	uint32_t *port_grace_ms, *prepare_timeout_ms, *probe_timeout_ms, *learn_timeout_ms,
		*element_grace_ms, *rebuild_timeout_ms;
};

struct yaml_access {
	char *local, *anonymous;
};

struct yaml_tls {
	char *certificate, *key, *ca, *crl;
};

struct yaml_config {
	char *name, *state, *gateway_mac, *log, *admission, *shared_ports, *encapsulation,
		*underlay;
	char **southbound, **northbound;
	unsigned southbound_count, northbound_count;
	bool insecure;
	uint32_t shard;
	struct yaml_timers timers;
	struct yaml_registration registration;
	struct yaml_discovery discovery;
	struct yaml_access access;
	struct yaml_flapping flapping;
	struct yaml_site *sites;
	struct yaml_tls *tls;
	struct yaml_network *networks;
	struct yaml_prefix *prefixes;
	struct yaml_link *links;
	struct yaml_tunnel *tunnels;
	struct yaml_node *nodes;
	struct yaml_element *elements;
	unsigned elements_count, networks_count, prefixes_count, links_count, tunnels_count,
		nodes_count, sites_count;
};

/* For config_file_parse: gives a struct yaml_config. */
extern const struct cyaml_schema_value config_yaml_schema;
