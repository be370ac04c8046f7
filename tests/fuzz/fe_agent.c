/* fe/agent: any bytes from a controller, behind a HELLO, on an agent that has ports, a group and a
 * few rules; then time passes. */
#include "base/log.h"
#include "fe/agent.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int port_set(void *c, const struct datapath_port *p)
{
	return 0;
}
static int by_number(void *c, uint32_t number)
{
	return 0;
}
static int binding_set(void *c, const struct datapath_binding *b)
{
	return b->flags ? 0 : -22;
}
static int binding_remove(void *c, uint32_t vrf, const struct address *a)
{
	return 0;
}
static int peer_set(void *c, const struct datapath_peer *p)
{
	return 0;
}
static int source_set(void *c, const struct datapath_source *s)
{
	return 0;
}
static int source_remove(void *c, const struct prefix *p)
{
	return 0;
}
static int prefix_set(void *c, const struct datapath_prefix *p)
{
	return 0;
}
static int prefix_remove(void *c, uint8_t kind, uint32_t vrf, const struct prefix *p)
{
	return 0;
}
static int rule_keep(void *c, const struct rule *r)
{
	return 0;
}
static int rule_forget(void *c, const struct rule_key *k)
{
	return 0;
}
static int group_keep(void *c, const struct rule_group *g)
{
	return 0;
}
static int64_t idle(void *c, uint32_t vrf, const struct address *a)
{
	return -1;
}
static void counters(void *c, void (*add)(void *to, const struct counter *), void *to)
{
}
static void drops(void *c, void (*add)(void *to, const struct drop_count *), void *to)
{
}
static void count(void *c, uint32_t vrf, const struct address *a, uint64_t *packets,
		  uint64_t *bytes)
{
	*packets = *bytes = 0;
}
static int port_stats(void *c, uint32_t number, struct ofp_port_stats *ret)
{
	return -2;
}
static int transmit(void *c, uint32_t port, const void *frame, size_t size)
{
	return 0;
}
static int link_set(void *c, const struct datapath_link *link)
{
	return 0;
}
static int link_transmit(void *c, uint32_t number, const void *packet, size_t size)
{
	return 0;
}
static void link_count(void *c, uint32_t number, uint64_t *packets, uint64_t *bytes)
{
	*packets = *bytes = 0;
}
static void drain(void *c)
{
}
static void flush(void *c, struct agent_connection *connection)
{
	buffer_clear(&agent_connection_channel(connection)->out);
}
static void drop(void *c, struct agent_connection *connection)
{
}

static const struct datapath_ops ops = {
	.port_set = port_set,
	.port_remove = by_number,
	.binding_set = binding_set,
	.binding_remove = binding_remove,
	.peer_set = peer_set,
	.peer_remove = by_number,
	.source_set = source_set,
	.source_remove = source_remove,
	.prefix_set = prefix_set,
	.prefix_remove = prefix_remove,
	.rule_keep = rule_keep,
	.rule_forget = rule_forget,
	.group_keep = group_keep,
	.group_forget = by_number,
	.link_set = link_set,
	.link_remove = by_number,
	.link_transmit = link_transmit,
	.link_count = link_count,
	.binding_idle_ms = idle,
	.counters = counters,
	.drops = drops,
	.binding_count = count,
	.port_stats = port_stats,
	.transmit = transmit,
	.drain_upcalls = drain,
};

static struct agent *make_agent(void)
{
	const struct agent_config config = {
		.name = "fuzz",
		.id = 2,
		.binding_limit = 100,
		.backplane.pair[FAMILY_IPV4].address = {{[10] = 255, 255, 10, 0, 0, 2}}};
	const struct agent_shell shell = {&ops, flush, drop, NULL};
	const struct rule_group group = {.fe = 3, .address = {{[10] = 255, 255, 10, 0, 0, 3}}};
	struct agent *a = agent_create(&config, &shell, 1, 1);

	agent_adopt_group(a, &group);
	for (uint32_t number = 1; number < 4; number++) {
		struct agent_port port = {
			.info = {.number = number,
				 .role = number == 3 ? PORT_BACKPLANE : PORT_ACCESS},
			.up = true};

		agent_port_set(a, &port, 1);
	}
	agent_adopt_done(a, 1);
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent *a = make_agent();
	struct agent_connection *c = agent_connect(a, "fuzz", true, NULL, 1);
	struct buffer b = {0};

	log_set_level(LOG_LEVEL_ERROR);
	ofp_hello_encode(&b, 1);
	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	buffer_add_bytes(&b, data, size);
	agent_receive(c, b.data, b.size, 2);
	for (int64_t now = 100; now < 5000; now += 1000)
		agent_tick(a, now);
	for (unsigned i = 0; i < 20 && agent_next_us(a) < 9000000; i++)
		agent_tick_links(a, agent_next_us(a));
	buffer_finish(&b);
	agent_destroy(a);
	return 0;
}
