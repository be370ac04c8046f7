/* See fe/fair.h.  Ports whose numbers end alike share a place: that costs one of very many honest
 * ports some of its words, while somebody floods and the controller does not read. */
#include "fe/fair.h"

#include <string.h>

bool fair_admits(struct fair *f, size_t waiting, uint32_t port, uint64_t *refused)
{
	uint16_t *queued = &f->queued[port % ARRAY_SIZE(f->queued)];

	if (!waiting && f->any)
		memset(f, 0, sizeof(*f));
	if (waiting > FAIR_CROWDED_SIZE && *queued >= FAIR_PORT_MAX) {
		++*refused;
		return false;
	}
	if (*queued < UINT16_MAX)
		(*queued)++;
	f->any = true;
	return true;
}
