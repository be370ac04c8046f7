/* The links between the FEs: a ring of devices whose carrier both ends see at once, with costs from
 * the seed.  (BFD is not modelled: a link that dies in silence is one that is found later.) */
#include "sim/world.h"

#include <stdio.h>

static uint32_t next_of(const struct world *w, uint32_t index)
{
	return (index + 1) % w->options.elements;
}

void link_declare(struct world *w)
{
	for (uint32_t i = 0; world_has(w, WORLD_LINKS) && i < w->options.elements; i++) {
		struct link l = {.kind = LINK_ETHERNET, .ports = {"forth", "back"}};
		struct reason why;

		snprintf(l.ends[0], sizeof(l.ends[0]), "fe%u", i + 1);
		snprintf(l.ends[1], sizeof(l.ends[1]), "fe%u", next_of(w, i) + 1);
		l.cost = 1 + (uint32_t)(random_of(w->options.seed, 0x11, i) % 10);
		if (core_add_link(w->core, &l, &why) < 0)
			world_break(w, "a link is refused: %s", why.text);
	}
}

static void set_device(struct world *w, uint32_t index, uint32_t number, bool up)
{
	struct sim_element *e = &w->elements[index];
	struct agent_port p = {
		.info = {.number = number,
			 .role = PORT_BACKPLANE,
			 .mtu = 1600,
			 .link = LINK_ETHERNET},
		.ifindex = 100 + number,
		.mac = {{2, 0xfe, (uint8_t)(index >> 8), (uint8_t)index, 1, (uint8_t)number}},
		.up = up,
	};

	snprintf(p.name, sizeof(p.name), "%s", number == LINK_PORT ? "forth" : "back");
	if (e->agent)
		agent_port_set(e->agent, &p, world_ms(w));
}

static bool is_up(const struct world *w, uint32_t index)
{
	return w->now_us >= w->elements[index].link_up_us;
}

void link_set_devices(struct world *w, uint32_t index)
{
	uint32_t before = (index + w->options.elements - 1) % w->options.elements;

	if (!world_has(w, WORLD_LINKS))
		return;
	set_device(w, index, LINK_PORT, is_up(w, index));
	set_device(w, index, LINK_PORT_BACK, is_up(w, before));
}

static void set_both(struct world *w, uint32_t index)
{
	uint32_t next = next_of(w, index);

	set_device(w, index, LINK_PORT, is_up(w, index));
	set_device(w, next, LINK_PORT_BACK, is_up(w, index));
}

void link_break(struct world *w, uint32_t index, uint32_t ms)
{
	struct sim_element *e = &w->elements[index], *next = &w->elements[next_of(w, index)];
	bool calm = check_is_calm(w);
	int64_t until = w->now_us + (int64_t)ms * 1000 + 1;

	if (!world_has(w, WORLD_LINKS))
		return;
	if (until > e->link_up_us)
		e->link_up_us = until;
	set_both(w, index);
	if (calm)
		check_failover(w);
	if (until > e->disturbed_us)
		e->disturbed_us = until;
	if (until > next->disturbed_us)
		next->disturbed_us = until;
	world_at(w, until - w->now_us, HAPPENS_LINK_UP, index, 0);
}

void link_mend(struct world *w, uint32_t index)
{
	set_both(w, index);
}
