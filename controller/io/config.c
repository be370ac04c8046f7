/* Turns what config_yaml.c read into what the core and the shell take, with a line number in each
 * refusal.  What concerns prefixes, links and nodes among each other is the inventory's to check:
 * config_apply gives them to the core and adds the line. */
#include "controller/io/config.h"

#include "base/memory.h"
#include "controller/io/config_access.h"
#include "controller/io/config_admission.h"
#include "controller/io/config_link.h"
#include "controller/io/config_network.h"
#include "controller/io/config_tls.h"
#include "controller/io/config_yaml.h"
#include "shell/config_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One reading: where we are, for messages. */
struct reading {
	struct config *config;
	const struct yaml_config *yaml;
	const struct config_lines *lines;
	struct reason *why;
};

static int refuse(const struct reading *r, const char *key, int index, const char *format, ...)
	PRINTF_LIKE(4, 5);

static int refuse(const struct reading *r, const char *key, int index, const char *format, ...)
{
	char text[REASON_SIZE / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return reason_set(r->why, -EINVAL, "%s:%u: %s", r->config->path,
			  config_lines_find(r->lines, key, index, NULL), text);
}

static int copy_name(const struct reading *r, const char *key, int index, const char *text,
		     char ret[NAME_SIZE])
{
	if (strlen(text) >= NAME_SIZE)
		return refuse(r, key, index, "'%.20s...' is longer than %d characters", text,
			      NAME_SIZE - 1);
	memset(ret, 0, NAME_SIZE);
	memcpy(ret, text, strlen(text));
	return 0;
}

static int copy_names(const struct reading *r, const char *key, int index, char *const *texts,
		      unsigned count, char (*ret)[NAME_SIZE])
{
	for (unsigned i = 0; i < count; i++) {
		int result = copy_name(r, key, index, texts[i], ret[i]);

		if (result < 0)
			return result;
	}
	return 0;
}

static int read_prefix(const struct reading *r, int index, struct covered_prefix *ret)
{
	const struct yaml_prefix *y = &r->yaml->prefixes[index];
	int result = prefix_parse(y->prefix, &ret->prefix);
	struct reason detail;

	if (result == -ERANGE)
		return refuse(r, "prefixes", index, "prefix '%s' has bits set beyond its length",
			      y->prefix);
	if (result < 0)
		return refuse(r, "prefixes", index, "'%s' is no prefix such as 10.10.0.0/16",
			      y->prefix);
	if (y->gateway && address_parse(y->gateway, &ret->gateway) < 0)
		return refuse(r, "prefixes", index, "gateway '%s' is no address", y->gateway);
	ret->vrf = y->vrf;
	ret->mobile = y->mobile;
	ret->internal = y->announce && !*y->announce;
	ret->unreachable = y->unreachable;
	ret->autoconf = y->autoconf;
	if (y->registration && strcmp(y->registration, "any") != 0 &&
	    strcmp(y->registration, "signed") != 0)
		return refuse(r, "prefixes", index, "registration '%s': write any or signed",
			      y->registration);
	ret->signed_only = y->registration && y->registration[0] == 's';
	ret->element_count = (uint8_t)y->elements_count;
	ret->exit_count = (uint8_t)y->exits_count;
	ret->announcer_count = (uint8_t)y->announce_at_count;
	if (config_mode_read(y->mode, ret, &detail) < 0)
		return refuse(r, "prefixes", index, "prefix '%s': %s", y->prefix, detail.text);
	result = copy_names(r, "prefixes", index, y->exits, y->exits_count, ret->exits);
	if (result == 0)
		result = copy_names(r, "prefixes", index, y->announce_at, y->announce_at_count,
				    ret->announcers);
	if (result == 0)
		result = copy_names(r, "prefixes", index, y->elements, y->elements_count,
				    ret->elements);
	return result;
}

static int read_network(const struct reading *r, int index, struct network *ret)
{
	struct reason detail;

	if (config_network_read(&r->yaml->networks[index], ret, &detail) < 0)
		return refuse(r, "networks", index, "%s", detail.text);
	return 0;
}

static int read_site(const struct reading *r, int index, struct site *ret)
{
	const struct yaml_site *y = &r->yaml->sites[index];
	struct reason detail;

	if (config_site_read(y, ret, &detail) < 0)
		return refuse(r, "sites", index, "site '%s': %s", y->name, detail.text);
	return 0;
}

static int read_link(const struct reading *r, int index, struct link *ret)
{
	const struct yaml_link *y = &r->yaml->links[index];

	struct reason detail;

	if (config_link_read(y, ret, &detail) < 0)
		return refuse(r, "links", index, "%s", detail.text);
	return copy_names(r, "links", index, y->between, y->between_count, ret->ends);
}

/* 'index' -1: that of all pairs. */
static int read_wish(const struct reading *r, const char *key, int index, const char *encapsulation,
		     const char *underlay, struct tunnel_wish *ret)
{
	if (encapsulation && strcmp(encapsulation, "vxlan") == 0)
		ret->encapsulation = ENCAPSULATION_VXLAN;
	else if (encapsulation && strcmp(encapsulation, "ipip") == 0)
		ret->encapsulation = ENCAPSULATION_IPIP;
	else if (encapsulation)
		return refuse(r, index < 0 ? "encapsulation" : key, index,
			      "encapsulation '%s': write ipip or vxlan", encapsulation);
	if (underlay && strcmp(underlay, "ipv6") == 0)
		ret->underlay = UNDERLAY_WISH_IPV6;
	else if (underlay && strcmp(underlay, "ipv4") == 0)
		ret->underlay = UNDERLAY_WISH_IPV4;
	else if (underlay)
		return refuse(r, index < 0 ? "underlay" : key, index,
			      "underlay '%s': write ipv4 or ipv6", underlay);
	return 0;
}

static int read_tunnel(const struct reading *r, int index, struct tunnel_wish *ret)
{
	const struct yaml_tunnel *y = &r->yaml->tunnels[index];
	int result = read_wish(r, "tunnels", index, y->encapsulation, y->underlay, ret);

	return result < 0
		       ? result
		       : copy_names(r, "tunnels", index, y->between, y->between_count, ret->ends);
}

static int read_node(const struct reading *r, int index, struct node_spec *ret)
{
	const struct yaml_node *y = &r->yaml->nodes[index];
	int result = copy_name(r, "nodes", index, y->id, ret->id);
	struct reason detail;

	if (result < 0)
		return result;
	if (y->mac && mac_parse(y->mac, &ret->mac) < 0)
		return refuse(r, "nodes", index, "node '%s': '%s' is no MAC address", y->id,
			      y->mac);
	for (unsigned i = 0; i < y->addresses_count; i++) {
		if (address_parse(y->addresses[i], &ret->addresses[i]) < 0)
			return refuse(r, "nodes", index, "node '%s': '%s' is no address", y->id,
				      y->addresses[i]);
	}
	if (config_allow_read(y, ret, &detail) < 0)
		return refuse(r, "nodes", index, "node '%s': %s", y->id, detail.text);
	ret->address_count = (uint8_t)y->addresses_count;
	ret->vrf = y->vrf;
	ret->mobile = y->mobile ? *y->mobile : !y->elements_count;
	ret->element_count = (uint8_t)y->elements_count;
	return copy_names(r, "nodes", index, y->elements, y->elements_count, ret->elements);
}

/* One family's address and length, and next hop; 'text' and 'hop' may be NULL. */
static int read_way(const struct reading *r, int index, const char *text, const char *hop, bool v4,
		    struct declared_way *ret)
{
	const char *example = v4 ? "192.0.2.1/24" : "2001:db8::1/64";
	const char *slash = text ? strchr(text, '/') : NULL;
	unsigned long base = v4 ? IPV4_PREFIX_BASE : 0, length = 129;
	char address[64], *end = NULL;
	struct prefix own;

	if (hop && address_parse(hop, &ret->next_hop) < 0)
		return refuse(r, "elements", index, "next_hop '%s' is no address", hop);
	if (!text)
		return 0;
	if (slash && slash - text < (ptrdiff_t)sizeof(address)) {
		snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
		length = strtoul(slash + 1, &end, 10) + base;
	}
	if (length > 128 || *end || address_parse(address, &ret->address) < 0 ||
	    address_is_ipv4(&ret->address) != v4)
		return refuse(r, "elements", index, "'%s' is no address and length such as %s",
			      text, example);
	own = (struct prefix){ret->address, (uint8_t)length};
	for (unsigned bit = own.length; bit < 128; bit++)
		own.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	ret->length = own.length;
	if (!address_is_zero(&ret->next_hop) && !prefix_contains(&own, &ret->next_hop))
		return refuse(r, "elements", index, "next_hop %s is not in %s", hop, text);
	return 0;
}

static int read_port_address(const struct reading *r, int index, const struct yaml_element_port *y,
			     struct declared_port *ret)
{
	int result = read_way(r, index, y->address, y->next_hop, true, &ret->ways[FAMILY_IPV4]);

	if (result < 0)
		return result;
	return read_way(r, index, y->address6, y->next_hop6, false, &ret->ways[FAMILY_IPV6]);
}

/* The daemon's namespace: a name under /run/netns, or a path. */
static int read_routing(const struct reading *r, int index, const struct yaml_element_port *y,
			struct declared_routing *ret)
{
	const char *device = y->routing->device ? y->routing->device : y->match;
	const char *netns = y->routing->netns;

	if (y->role[0] != 'e')
		return refuse(r, "elements", index, "port '%s': routing is for external ports",
			      y->match);
	if (strlen(device) >= sizeof(ret->device) || strpbrk(device, "/*? ") || device[0] == '.')
		return refuse(r, "elements", index, "'%s' is no device's name", device);
	if (netns && strlen(netns) >= sizeof(ret->netns) - sizeof("/run/netns/"))
		return refuse(r, "elements", index, "netns '%s' is too long", netns);
	strcpy(ret->device, device);
	if (netns)
		snprintf(ret->netns, sizeof(ret->netns), "%s%s",
			 netns[0] == '/' ? "" : "/run/netns/", netns);
	return 0;
}

static int read_element_port(const struct reading *r, int index, const struct yaml_element_port *y,
			     struct declared_port *ret)
{
	if (strlen(y->match) >= sizeof(ret->match))
		return refuse(r, "elements", index, "port '%s': a name has at most %zu characters",
			      y->match, sizeof(ret->match) - 1);
	if (y->identity && strlen(y->identity) >= sizeof(ret->identity))
		return refuse(r, "elements", index, "port '%s': its identity is too long",
			      y->match);
	if (strcmp(y->role, "access") != 0 && strcmp(y->role, "external") != 0)
		return refuse(r, "elements", index, "role '%s': write access or external", y->role);
	strcpy(ret->match, y->match);
	strcpy(ret->identity, y->identity ? y->identity : "");
	ret->role = y->role[0] == 'a' ? PORT_ACCESS : PORT_EXTERNAL;
	ret->segment = y->segment;
	if (y->routing && read_routing(r, index, y, &ret->routing) < 0)
		return -EINVAL;
	return read_port_address(r, index, y, ret);
}

static int read_element(const struct reading *r, int index, struct declared_element *ret)
{
	const struct yaml_element *y = &r->yaml->elements[index];
	int result = copy_name(r, "elements", index, y->name, ret->name);

	if (result < 0)
		return result;
	if (strcmp(y->kind, "ovs") != 0)
		return refuse(r, "elements", index,
			      "kind '%s': only an Open vSwitch is declared here, as 'ovs'; a "
			      "victor-fe says itself what it is",
			      y->kind);
	if (address_parse(y->backplane.address, &ret->backplane) < 0)
		return refuse(r, "elements", index, "backplane address '%s' is no address",
			      y->backplane.address);
	if (y->backplane.mtu > UINT16_MAX)
		return refuse(r, "elements", index, "backplane MTU %u: at most 65535",
			      y->backplane.mtu);
	ret->id = y->id;
	ret->backplane_mtu = (uint16_t)y->backplane.mtu;
	ret->idle_probe_ms = y->idle_probe_ms;
	ret->idle_give_up_ms = y->idle_give_up_ms;
	ret->port_count = y->ports_count;
	for (unsigned i = 0; i < y->ports_count && result == 0; i++)
		result = read_element_port(r, index, &y->ports[i], &ret->ports[i]);
	return result;
}

static int read_endpoints(const struct reading *r, const char *key, char *const *texts,
			  unsigned count, const char *standard, struct endpoint *ret,
			  unsigned *ret_count)
{
	struct reason detail;

	if (!count) {
		*ret_count = 1;
		return endpoint_parse(standard, &ret[0], r->why);
	}
	for (unsigned i = 0; i < count; i++) {
		if (endpoint_parse(texts[i], &ret[i], &detail) < 0)
			return refuse(r, key, (int)i, "%s", detail.text);
		if (config_tls_check(&ret[i], r->yaml, &detail) < 0)
			return refuse(r, key, (int)i, "%s", detail.text);
	}
	*ret_count = count;
	return 0;
}

static unsigned number_or(const uint32_t *number, unsigned standard)
{
	return number ? *number : standard;
}

static int read_core(const struct reading *r)
{
	const struct yaml_config *y = r->yaml;
	struct core_config *core = &r->config->core;
	const char *gateway_mac = y->gateway_mac ? y->gateway_mac : "02:00:5e:00:53:01";
	struct reason detail;

	core->port_grace_ms = number_or(y->timers.port_grace_ms, 2000);
	core->prepare_timeout_ms = number_or(y->timers.prepare_timeout_ms, 30000);
	core->probe_timeout_ms = number_or(y->timers.probe_timeout_ms, 300);
	core->learn_timeout_ms = number_or(y->timers.learn_timeout_ms, 5000);
	core->element_grace_ms = number_or(y->timers.element_grace_ms, 1000);
	core->rebuild_timeout_ms = number_or(y->timers.rebuild_timeout_ms, 600000);
	if (read_wish(r, NULL, -1, y->encapsulation, y->underlay, &core->tunnel) < 0)
		return -EINVAL;
	if (config_admission_read(y, core, &detail) < 0)
		return refuse(r, y->admission ? "admission" : "flapping", -1, "%s", detail.text);
	if (mac_parse(gateway_mac, &core->gateway_mac) < 0 ||
	    mac_is_multicast(&core->gateway_mac) || mac_is_zero(&core->gateway_mac))
		return refuse(r, "gateway_mac", -1, "'%s' is no unicast MAC address", gateway_mac);
	if (y->shard > 0xffe)
		return refuse(r, "shard", -1, "shard %u: at most 4094", y->shard);
	core->shard = (uint16_t)y->shard;
	core->discovery = !y->discovery.enabled || *y->discovery.enabled;
	core->discovery_cost = number_or(y->discovery.cost, 10);
	if (core->discovery_cost == 0 || core->discovery_cost > LINK_COST_MAX)
		return refuse(r, "discovery", -1, "discovery: the cost must be 1 to %u",
			      LINK_COST_MAX);
	return copy_name(r, "name", -1, y->name ? y->name : "victor", core->name);
}

static int read_registration(const struct reading *r)
{
	const struct yaml_registration *y = &r->yaml->registration;
	struct config *c = r->config;

	c->core.registration_lifetime_s = number_or(y->lifetime, 3600);
	if (c->core.registration_lifetime_s < REGISTRATION_LIFETIME_LEAST_S ||
	    c->core.registration_lifetime_s > REGISTRATION_LIFETIME_MOST_S)
		return refuse(r, "registration", -1,
			      "registration: the lifetime must be %d to %d s",
			      REGISTRATION_LIFETIME_LEAST_S, REGISTRATION_LIFETIME_MOST_S);
	if (y->key && (y->key[0] != '/' || strlen(y->key) >= sizeof(c->registration_key)))
		return refuse(r, "registration", -1, "registration: '%s' is no absolute path",
			      y->key);
	if (y->key)
		strcpy(c->registration_key, y->key);
	return 0;
}

static int read_settings(const struct reading *r)
{
	const struct yaml_config *y = r->yaml;
	struct config *c = r->config;
	const char *log = y->log ? y->log : "info";
	const char *state = y->state ? y->state : "/var/lib/victor";
	struct reason detail;

	if (log_level_parse(log, &c->log_level) < 0)
		return refuse(r, "log", -1, "log '%s': write error, warn, info or debug", log);
	if (state[0] != '/' || strlen(state) >= sizeof(c->state) - 32)
		return refuse(r, "state", -1, "state '%s' is no absolute path of a directory",
			      state);
	strcpy(c->state, state);
	c->insecure = y->insecure;
	if (config_access_read(&y->access, &c->local_role, &c->anonymous_role, &detail) < 0)
		return refuse(r, "access", -1, "%s", detail.text);
	if (config_tls_read(y->tls, c, &detail) < 0)
		return refuse(r, "tls", -1, "%s", detail.text);
	int result = read_registration(r);

	if (result < 0)
		return result;
	result = read_endpoints(r, "southbound", y->southbound, y->southbound_count,
				"tcp:127.0.0.1:6653", c->southbound, &c->southbound_count);

	if (result < 0)
		return result;
	return read_endpoints(r, "northbound", y->northbound, y->northbound_count,
			      "unix:/run/victor/controller.sock", c->northbound,
			      &c->northbound_count);
}

static unsigned *lines_of(const struct reading *r, const char *key, unsigned count)
{
	unsigned *lines = memory_alloc_array(count, sizeof(*lines));

	for (unsigned i = 0; i < count; i++)
		lines[i] = config_lines_find(r->lines, key, (int)i, NULL);
	return lines;
}

static int index_node(const struct reading *r, unsigned index)
{
	struct config *c = r->config;
	bool created;
	unsigned *place = table_put(&c->node_index, c->nodes[index].id, &created);

	if (!created)
		return refuse(r, "nodes", (int)index, "node '%s' is in line %u already",
			      c->nodes[index].id, c->node_lines[*place]);
	*place = index;
	return 0;
}

static int read_inventory(const struct reading *r)
{
	struct config *c = r->config;
	int result = 0;

	c->prefix_count = r->yaml->prefixes_count;
	c->prefixes = memory_alloc_array(c->prefix_count, sizeof(*c->prefixes));
	c->prefix_lines = lines_of(r, "prefixes", c->prefix_count);
	c->link_count = r->yaml->links_count;
	c->links = memory_alloc_array(c->link_count, sizeof(*c->links));
	c->link_lines = lines_of(r, "links", c->link_count);
	c->network_count = r->yaml->networks_count;
	c->networks = memory_alloc_array(c->network_count, sizeof(*c->networks));
	c->network_lines = lines_of(r, "networks", c->network_count);
	c->site_count = r->yaml->sites_count;
	c->sites = memory_alloc_array(c->site_count, sizeof(*c->sites));
	c->site_lines = lines_of(r, "sites", c->site_count);
	c->element_count = r->yaml->elements_count;
	c->elements = memory_alloc_array(c->element_count, sizeof(*c->elements));
	c->element_lines = lines_of(r, "elements", c->element_count);
	c->tunnel_count = r->yaml->tunnels_count;
	c->tunnels = memory_alloc_array(c->tunnel_count, sizeof(*c->tunnels));
	c->tunnel_lines = lines_of(r, "tunnels", c->tunnel_count);
	c->node_count = r->yaml->nodes_count;
	c->nodes = memory_alloc_array(c->node_count, sizeof(*c->nodes));
	c->node_lines = lines_of(r, "nodes", c->node_count);
	for (unsigned i = 0; i < c->element_count && result == 0; i++)
		result = read_element(r, (int)i, &c->elements[i]);
	for (unsigned i = 0; i < c->site_count && result == 0; i++)
		result = read_site(r, (int)i, &c->sites[i]);
	for (unsigned i = 0; i < c->network_count && result == 0; i++)
		result = read_network(r, (int)i, &c->networks[i]);
	for (unsigned i = 0; i < c->prefix_count && result == 0; i++)
		result = read_prefix(r, (int)i, &c->prefixes[i]);
	for (unsigned i = 0; i < c->link_count && result == 0; i++)
		result = read_link(r, (int)i, &c->links[i]);
	for (unsigned i = 0; i < c->tunnel_count && result == 0; i++)
		result = read_tunnel(r, (int)i, &c->tunnels[i]);
	for (unsigned i = 0; i < c->node_count && result == 0; i++) {
		result = read_node(r, (int)i, &c->nodes[i]);
		if (result == 0)
			result = index_node(r, i);
	}
	return result;
}

int config_parse(const char *path, const char *text, size_t size, struct config *ret,
		 struct reason *why)
{
	void *yaml;

	memset(ret, 0, sizeof(*ret));
	table_init(&ret->node_index, NAME_SIZE, sizeof(unsigned), 0);
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	int result = config_file_parse(path, text, size, &config_yaml_schema, &yaml, why);

	if (result < 0) {
		config_finish(ret);
		return result;
	}
	struct config_lines *lines = config_lines_create(text, size);
	struct reading r = {.config = ret, .yaml = yaml, .lines = lines, .why = why};

	result = read_core(&r);
	if (result == 0)
		result = read_settings(&r);
	if (result == 0)
		result = read_inventory(&r);
	config_lines_destroy(lines);
	config_file_free(&config_yaml_schema, yaml);
	if (result < 0)
		config_finish(ret);
	return result;
}

int config_load(const char *path, struct config *ret, struct reason *why)
{
	char *text;
	size_t size;
	int result = config_file_read(path, &text, &size, why);

	if (result < 0)
		return result;
	result = config_parse(path, text, size, ret, why);
	free(text);
	return result;
}

void config_finish(struct config *c)
{
	free(c->sites);
	free(c->site_lines);
	free(c->networks);
	free(c->network_lines);
	free(c->prefixes);
	free(c->links);
	free(c->tunnels);
	free(c->nodes);
	free(c->elements);
	free(c->element_lines);
	free(c->prefix_lines);
	free(c->link_lines);
	free(c->tunnel_lines);
	free(c->node_lines);
	table_finish(&c->node_index);
	memset(c, 0, sizeof(*c));
}

/* Puts "FILE:LINE: " before the core's reason. */
static int locate(const struct config *c, unsigned line, int result, const struct reason *detail,
		  struct reason *why)
{
	return reason_set(why, result, "%s:%u: %.*s", c->path, line, REASON_SIZE - 64,
			  detail->text);
}

int config_apply(const struct config *c, struct core *core, int64_t now_ms, struct reason *why)
{
	struct reason detail = {""};
	unsigned wrong;
	int result;

	for (unsigned i = 0; i < c->network_count; i++) {
		result = core_add_network(core, &c->networks[i], &detail);
		if (result < 0)
			return locate(c, c->network_lines[i], result, &detail, why);
	}
	result = core_settle_networks(core, &wrong, &detail);
	if (result < 0)
		return locate(c, c->network_lines[wrong], result, &detail, why);
	for (unsigned i = 0; i < c->site_count; i++) {
		result = core_add_site(core, &c->sites[i], &detail);
		if (result < 0)
			return locate(c, c->site_lines[i], result, &detail, why);
	}
	for (unsigned i = 0; i < c->element_count; i++) {
		result = core_add_element(core, &c->elements[i], &detail);
		if (result < 0)
			return locate(c, c->element_lines[i], result, &detail, why);
	}
	for (unsigned i = 0; i < c->prefix_count; i++) {
		result = core_add_prefix(core, &c->prefixes[i], &detail);
		if (result < 0)
			return locate(c, c->prefix_lines[i], result, &detail, why);
	}
	for (unsigned i = 0; i < c->link_count; i++) {
		result = core_add_link(core, &c->links[i], &detail);
		if (result < 0)
			return locate(c, c->link_lines[i], result, &detail, why);
	}
	for (unsigned i = 0; i < c->tunnel_count; i++) {
		result = core_add_tunnel(core, &c->tunnels[i], &detail);
		if (result < 0)
			return locate(c, c->tunnel_lines[i], result, &detail, why);
	}
	for (unsigned i = 0; i < c->node_count; i++) {
		result = core_put_node(core, &c->nodes[i], now_ms, &detail);
		if (result < 0)
			return locate(c, c->node_lines[i], result, &detail, why);
	}
	return 0;
}

const struct node_spec *config_node(const struct config *c, const char *id)
{
	char key[NAME_SIZE] = {0};

	if (strlen(id) >= sizeof(key))
		return NULL;
	memcpy(key, id, strlen(id));
	const unsigned *index = table_get(&c->node_index, key);

	return index ? &c->nodes[*index] : NULL;
}
