/* What overlaps, and the news of it: a list that is sent as a whole, whenever it changes and to
 * each controller at first. */
#include "fe/overlap.h"

#include <string.h>

bool overlap_is(const struct prefix *covered, const struct prefix *route, enum overlap_route kind)
{
	if (route->length < covered->length || !prefix_contains(covered, &route->address))
		return false;
	return route->length > covered->length || kind == OVERLAP_CONNECTED;
}

void overlap_introduce(struct agent_connection *c)
{
	const struct agent *a = c->agent;

	overlaps_encode(&c->channel.out, 0, a->overlaps, a->overlap_count);
	c->channel.count.messages_out++;
}

void agent_set_overlaps(struct agent *a, const struct overlap *list, unsigned count)
{
	if (count > OVERLAPS_MAX)
		count = OVERLAPS_MAX;
	if (count == a->overlap_count &&
	    (!count || memcmp(list, a->overlaps, count * sizeof(*list)) == 0))
		return;
	memset(a->overlaps, 0, sizeof(a->overlaps));
	if (count)
		memcpy(a->overlaps, list, count * sizeof(*list));
	a->overlap_count = count;
	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (c->channel.state != CHANNEL_UP || c->dropped || !c->is_controller ||
		    !c->introduced)
			continue;
		overlap_introduce(c);
		a->shell.flush(a->shell.context, c);
	}
}
