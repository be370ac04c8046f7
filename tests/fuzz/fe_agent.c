/* fe/agent: any bytes from a controller, behind a HELLO, on an agent that has ports, a group and a
 * few rules; then time passes. */
#include "base/log.h"
#include "fe/agent.h"
#include "sim/memory_plane.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void flush(void *c, struct agent_connection *connection)
{
	buffer_clear(&agent_connection_channel(connection)->out);
}
static void drop(void *c, struct agent_connection *connection)
{
}

static struct agent *make_agent(struct memory_plane *plane)
{
	const struct agent_config config = {
		.name = "fuzz",
		.id = 2,
		.binding_limit = 100,
		.backplane.pair[FAMILY_IPV4].address = {{[10] = 255, 255, 10, 0, 0, 2}}};
	const struct agent_shell shell = {&memory_plane_ops, flush, drop, plane};
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
	struct memory_plane plane;
	struct buffer b = {0};
	struct agent_connection *c;
	struct agent *a;

	memory_plane_init(&plane, 1);
	a = make_agent(&plane);
	c = agent_connect(a, "fuzz", true, NULL, 1);
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
	memory_plane_finish(&plane);
	return 0;
}
