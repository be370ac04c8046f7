/* Frames that an FE heard and sent up before it was compared with intent: they are kept until then,
 * so that what they claim does not look like news. */
#include "controller/element.h"

#include "base/memory.h"
#include "controller/registrar.h"

#include <stdlib.h>
#include <string.h>

#define FRESH_MS 50 /* what was held for longer is asked about, as a replay is */

void held_add(struct session *s, const struct sighting *sighting)
{
	struct held_sighting *held;

	if (s->held_count == SIGHTINGS_HELD_MAX)
		return;
	held = memory_alloc(sizeof(*held));
	held->at_ms = s->core->now_ms;
	held->sighting = *sighting;
	held->sighting.data = held->bytes;
	if (held->sighting.size > SIGHTING_SIZE)
		held->sighting.size = SIGHTING_SIZE;
	memcpy(held->bytes, sighting->data, held->sighting.size);
	*s->held_end = held;
	s->held_end = &held->next;
	s->held_count++;
}

void held_release(struct session *s)
{
	struct held_sighting *held = s->held;

	s->held = NULL;
	s->held_end = &s->held;
	s->held_count = 0;
	while (held) {
		struct held_sighting *next = held->next;

		held->sighting.replay |= s->core->now_ms - held->at_ms > FRESH_MS;
		registrar_sighting(s->core, s->element, &held->sighting);
		free(held);
		held = next;
	}
}
