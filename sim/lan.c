/* LANs that several FEs share: the last access port of each FE in a group of three. */
#include "sim/world.h"

uint32_t lan_of(const struct world *w, uint32_t place)
{
	if (!world_has(w, WORLD_LANS) || place_port(place) != WORLD_PORTS)
		return 0;
	return 1 + place_element(place) / LAN_ELEMENTS;
}

bool lan_joins(const struct world *w, uint32_t a, uint32_t b)
{
	return a == b || (lan_of(w, a) && lan_of(w, a) == lan_of(w, b));
}

void lan_each(struct world *w, uint32_t place,
	      void (*each)(struct world *w, uint32_t place, void *to), void *to)
{
	uint32_t lan = lan_of(w, place), first = (lan - 1) * LAN_ELEMENTS;

	if (!lan) {
		each(w, place, to);
		return;
	}
	for (uint32_t i = first; i < first + LAN_ELEMENTS && i < w->options.elements; i++)
		each(w, i * WORLD_PORTS + WORLD_PORTS - 1, to);
}

static void hear(struct world *w, uint32_t place, void *to)
{
	const struct sim_element *e = &w->elements[place_element(place)];

	*(bool *)to &= e->agent && e->port_up[place_port(place)];
}

bool lan_is_heard(struct world *w, uint32_t place)
{
	bool heard = true;

	lan_each(w, place, hear, &heard);
	return heard;
}
