/* Whether what leaves VICTOR may leave at this FE: way_out.h says when. */
#include "fe/way_out.h"

void way_out_init(struct way_out *w)
{
	*w = (struct way_out){.usable = true, .hold_ms = WAY_OUT_HOLD_MS};
}

static bool is_well(struct way_out *w, const struct way_out_signs *signs)
{
	bool well = !signs->daemon_gone;

	for (unsigned i = 0; i < WAY_OUT_FAMILIES; i++) {
		enum way_out_routes routes = signs->routes[i];

		if (routes > w->most[i] && routes != WAY_OUT_REFUSED)
			w->most[i] = routes;
		well &= routes >= w->most[i] && routes != WAY_OUT_REFUSED;
	}
	return well;
}

static void lose(struct way_out *w, int64_t now_ms)
{
	if (!w->back_ms || now_ms - w->back_ms > WAY_OUT_FORGET_MS)
		w->hold_ms = WAY_OUT_HOLD_MS;
	else if (w->hold_ms < WAY_OUT_HOLD_MAX_MS / 2)
		w->hold_ms *= 2;
	else
		w->hold_ms = WAY_OUT_HOLD_MAX_MS;
	w->usable = false;
}

bool way_out_update(struct way_out *w, const struct way_out_signs *signs, int64_t now_ms)
{
	bool well = is_well(w, signs);

	if (!well) {
		w->good_ms = 0;
		if (w->usable)
			lose(w, now_ms);
	} else if (!w->usable) {
		w->good_ms = w->good_ms ? w->good_ms : now_ms;
		if (now_ms - w->good_ms >= w->hold_ms) {
			w->usable = true;
			w->back_ms = now_ms;
		}
	}
	return w->usable;
}
