/* An FE: the agent's core, its ports, and the wire to the controller.  Bytes on a wire stay in
 * order and take a while; each connection's delays are its own, so that messages of different FEs
 * overtake one another. */
#include "sim/world.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define DELAY_LEAST_US 20
#define RECONNECT_LEAST_MS 50

/* ---- the wire ---- */

/* Mostly well below a millisecond; one message in 32 takes up to 20. */
static int64_t delay_of(struct world *w, uint32_t index, unsigned direction)
{
	struct wire *wire = &w->elements[index].wire;
	uint64_t r = random_of(w->options.seed, (uint64_t)index << 8 | direction, wire->sent++);

	return DELAY_LEAST_US + (int64_t)(r % 400) +
	       (r >> 32 & 31 ? 0 : (int64_t)((r >> 40) % 20000));
}

static void send_bytes(struct world *w, uint32_t index, struct buffer *out,
		       enum happening_type type, int64_t *last_us)
{
	struct wire *wire = &w->elements[index].wire;
	int64_t at = w->now_us + delay_of(w, index, (unsigned)type);
	struct happening h = {.type = type, .a = index, .b = wire->epoch};

	if (!out->size)
		return;
	if (at < wire->cut_until_us) {
		/* Lost with the connection, whose ends will learn of it. */
		buffer_clear(out);
		return;
	}
	h.at_us = at > *last_us ? at : *last_us;
	*last_us = h.at_us;
	h.size = out->size;
	h.bytes = memory_copy(out->data, out->size);
	buffer_clear(out);
	queue_put(&w->queue, &h);
}

static void flush_agent(void *context, struct agent_connection *c)
{
	struct plane *p = context;
	struct wire *wire = &p->world->elements[p->element].wire;

	if (wire->connection == c && wire->open_at_fe)
		send_bytes(p->world, p->element, &agent_connection_channel(c)->out,
			   HAPPENS_DELIVER_TO_CORE, &wire->last_to_core_us);
}

void wire_flush_core(struct world *w, uint32_t index)
{
	struct wire *wire = &w->elements[index].wire;

	if (wire->open_at_core)
		send_bytes(w, index, &session_channel(wire->session)->out, HAPPENS_DELIVER_TO_FE,
			   &wire->last_to_fe_us);
}

static void drop_agent(void *context, struct agent_connection *c)
{
	struct plane *p = context;
	struct wire *wire = &p->world->elements[p->element].wire;

	world_at(p->world, 0, HAPPENS_CLOSE_AT_FE, p->element, wire->epoch);
}

static void reconnect_later(struct world *w, uint32_t index)
{
	struct wire *wire = &w->elements[index].wire;
	uint64_t r = random_of(w->options.seed, 0x7ec0 + index, wire->epoch);

	world_at(w, (RECONNECT_LEAST_MS + (int64_t)(r % 950)) * 1000, HAPPENS_CONNECT, index, 0);
}

void wire_connect(struct world *w, uint32_t index)
{
	struct sim_element *e = &w->elements[index];
	struct wire *wire = &e->wire;

	if (!e->agent || wire->open_at_fe)
		return;
	if (!w->core || wire->open_at_core || w->now_us < wire->cut_until_us) {
		/* Refused, no way there, or the controller still has the old connection: a second
		 * one with the same id is refused until that is gone. */
		if (wire->open_at_core && w->now_us >= wire->cut_until_us)
			wire_close_at_core(w, index, wire->epoch);
		wire->epoch++;
		reconnect_later(w, index);
		return;
	}
	wire->epoch++;
	wire->last_to_core_us = wire->last_to_fe_us = w->now_us;
	wire->open_at_core = wire->open_at_fe = true;
	wire->session = core_session_open(w->core, e->config.name, (void *)(uintptr_t)index,
					  world_core_ms(w));
	wire_flush_core(w, index);
	wire->connection = agent_connect(e->agent, "controller", true, NULL, world_ms(w));
	flush_agent(&e->plane, wire->connection);
}

void wire_close_at_core(struct world *w, uint32_t index, uint32_t epoch)
{
	struct wire *wire = &w->elements[index].wire;

	if (epoch != wire->epoch || !wire->open_at_core)
		return;
	wire->open_at_core = false;
	if (w->core)
		core_session_close(wire->session, "the wire broke", world_core_ms(w));
	wire->session = NULL;
	world_at(w, DELAY_LEAST_US, HAPPENS_CLOSE_AT_FE, index, epoch);
}

void wire_close_at_fe(struct world *w, uint32_t index, uint32_t epoch)
{
	struct sim_element *e = &w->elements[index];
	struct wire *wire = &e->wire;

	if (epoch != wire->epoch || !wire->open_at_fe)
		return;
	wire->open_at_fe = false;
	if (e->agent)
		agent_disconnect(wire->connection, world_ms(w));
	wire->connection = NULL;
	world_at(w, DELAY_LEAST_US, HAPPENS_CLOSE_AT_CORE, index, epoch);
	if (e->agent)
		reconnect_later(w, index);
}

/* Half-open: the controller learns of it only when the FE calls again, or by its own echo. */
void wire_cut(struct world *w, uint32_t index, uint32_t ms, bool half_open)
{
	struct sim_element *e = &w->elements[index];
	struct wire *wire = &e->wire;

	wire->cut_until_us = w->now_us + (int64_t)ms * 1000;
	e->disturbed_us = wire->cut_until_us;
	if (half_open && wire->open_at_fe) {
		wire->open_at_fe = false;
		if (e->agent)
			agent_disconnect(wire->connection, world_ms(w));
		wire->connection = NULL;
		reconnect_later(w, index);
		return;
	}
	world_at(w, (int64_t)ms * 500, HAPPENS_CLOSE_AT_CORE, index, wire->epoch);
	world_at(w, (int64_t)ms * 700, HAPPENS_CLOSE_AT_FE, index, wire->epoch);
}

void wire_deliver_to_core(struct world *w, const struct happening *h)
{
	struct wire *wire = &w->elements[h->a].wire;

	if (w->core && h->b == wire->epoch && wire->open_at_core && w->now_us >= wire->cut_until_us)
		core_session_receive(wire->session, h->bytes, h->size, world_core_ms(w));
}

void wire_deliver_to_fe(struct world *w, const struct happening *h)
{
	struct sim_element *e = &w->elements[h->a];

	if (e->agent && h->b == e->wire.epoch && e->wire.open_at_fe &&
	    w->now_us >= e->wire.cut_until_us)
		agent_receive(e->wire.connection, h->bytes, h->size, world_ms(w));
	check_whole(w, h->a);
}

/* ---- the agent ---- */

static struct address backplane_of(uint32_t index, uint8_t last)
{
	const uint8_t bytes[4] = {172, (uint8_t)(16 + (index >> 8)), (uint8_t)index, last};

	return address_from_ipv4(bytes);
}

void sim_element_init(struct world *w, uint32_t index)
{
	struct sim_element *e = &w->elements[index];
	/* Every third has room for some nodes only. */
	uint32_t limit =
		world_has(w, WORLD_FULL) && index % 3 == 2 ? 1 + w->options.hosts / 2 : 65536;

	plane_init(&e->plane, w, index, random_of(w->options.seed, 1, index));
	e->config = (struct agent_config){
		.id = index + 1,
		.backplane = {.pair = {{.address = backplane_of(index, 2),
					.redirect = backplane_of(index, 3)}}},
		.binding_limit = limit,
		.idle_probe_ms = 30000,
		.idle_give_up_ms = 3000,
		.tentative_ms = 10000,
	};
	e->plane.memory.binding_limit = limit;
	snprintf(e->config.name, sizeof(e->config.name), "fe%u", index + 1);
	for (uint32_t port = 1; port <= WORLD_PORTS; port++)
		e->port_up[port] = true;
}

void sim_element_finish(struct sim_element *e)
{
	if (e->agent)
		agent_destroy(e->agent);
	plane_finish(&e->plane);
}

void sim_element_set_port(struct world *w, uint32_t index, uint32_t port)
{
	struct sim_element *e = &w->elements[index];
	struct agent_port p = {
		.info = {.number = port,
			 .role = PORT_ACCESS,
			 .mtu = 1500,
			 .segment = lan_of(w, index * WORLD_PORTS + port - 1)},
		.ifindex = 100 + port,
		.mac = {{2, 0xfe, (uint8_t)(index >> 8), (uint8_t)index, 0, (uint8_t)port}},
		.up = e->port_up[port],
	};

	snprintf(p.name, sizeof(p.name), "port%u", port);
	snprintf(p.info.identity, sizeof(p.info.identity), "%s", "");
	if (e->agent)
		agent_port_set(e->agent, &p, world_ms(w));
}

void sim_element_start(struct world *w, uint32_t index)
{
	struct sim_element *e = &w->elements[index];
	struct agent_shell shell = {&e->plane.operations, flush_agent, drop_agent, &e->plane};

	if (e->agent)
		return;
	e->agent =
		agent_create(&e->config, &shell,
			     random_of(w->options.seed, 0xa9e47 + index, e->starts++), world_ms(w));
	memory_plane_adopt(&e->plane.memory, e->agent);
	for (uint32_t port = 1; port <= WORLD_PORTS; port++)
		sim_element_set_port(w, index, port);
	link_set_devices(w, index);
	agent_adopt_done(e->agent, world_ms(w));
	memory_plane_adopt_kept(&e->plane.memory, e->agent);
	e->disturbed_us = w->now_us;
	wire_connect(w, index);
}

void sim_element_crash(struct world *w, uint32_t index, uint32_t ms)
{
	struct sim_element *e = &w->elements[index];

	if (!e->agent)
		return;
	agent_destroy(e->agent);
	e->agent = NULL;
	/* What was on its way up is lost with it. */
	host_disturb_until_talk(w, index, 0);
	e->wire.connection = NULL;
	e->wire.open_at_fe = false;
	e->disturbed_us = w->now_us + (int64_t)ms * 1000;
	world_at(w, DELAY_LEAST_US, HAPPENS_CLOSE_AT_CORE, index, e->wire.epoch);
	world_at(w, (int64_t)ms * 1000, HAPPENS_AGENT_START, index, 0);
}

void sim_element_tick(struct world *w, uint32_t index)
{
	if (w->elements[index].agent)
		agent_tick(w->elements[index].agent, world_ms(w));
}

void sim_element_upcall(struct world *w, uint32_t index, uint8_t reason, uint32_t port,
			const void *frame, size_t size)
{
	struct sim_element *e = &w->elements[index];
	const struct datapath_port *p = table_get(&e->plane.memory.ports, &port);
	struct upcall u = {
		.reason = reason, .port = port, .frame = frame, .size = size, .wire_size = size};

	/* Without an agent the ring fills; what was announced meanwhile is lost. */
	if (e->agent && p && p->admitted && e->port_up[port])
		agent_upcall(e->agent, &u, world_ms(w));
}
