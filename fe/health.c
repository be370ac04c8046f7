/* Whether the FE may announce the covered prefixes: health.h says when. */
#include "fe/health.h"

void health_init(struct health *h, int64_t patience_ms, bool announcing, int64_t now_ms)
{
	*h = (struct health){
		.patience_ms = patience_ms, .complete_ms = now_ms, .announcing = announcing};
}

bool health_update(struct health *h, const struct health_signs *signs, int64_t now_ms)
{
	bool patient = !h->patience_ms || now_ms - h->complete_ms < h->patience_ms;

	if (signs->complete)
		h->complete_ms = now_ms;
	h->announcing = signs->has_way_in && signs->has_way_on &&
			(signs->complete || (h->announcing && patient));
	return h->announcing;
}
