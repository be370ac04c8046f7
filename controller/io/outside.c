/* One speaker for each external port that a routing daemon speaks for.  Its descriptors are opened
 * in the daemon's network namespace, and belong there whoever uses them.  The kernel in there is
 * the daemon's usual one: it has the addresses, answers ARP, holds the daemon's TCP connections,
 * and is asked for the next hops' MACs.
 *
 * Routes are read a moment after something changed, and not again within that moment. */
#include "controller/io/outside.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/fib.h"
#include "shell/announce.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

LOG_MODULE("outside");

#define FRAME_MAX 9216
#define FRAMES_AT_ONCE 64
#define READ_AFTER_MS 20
#define ASK_AGAIN_MS 1000
#define ASK_KNOWN_MS 15000 /* that a next hop is there still */

struct speaker {
	struct outside *outside;
	const char *element;
	const struct declared_port *port;
	int tap;
	struct fib *fib;
	struct announcer *announcer;
	uv_poll_t frames, changes;
	uv_timer_t reading, asking;
	struct buffer routes; /* struct fib_route, as last read */
	int64_t asked_known_ms;
	bool told, up; /* of the switch's port */
	bool reported; /* that there are too many routes */
};

struct outside {
	struct core *core;
	struct speaker *speakers;
	unsigned count, open;
	const struct config *config;
};

/* ---- in the daemon's namespace ---- */

/* Returns the way back (a descriptor; -1: it is our own namespace), or -errno - 1. */
static int enter(const char *netns, int *ret_back)
{
	int own = -1, there, result = 0;

	*ret_back = -1;
	if (!netns[0])
		return 0;
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = own < 0 ? -1 : open(netns, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET) < 0)
		result = -errno;
	if (there >= 0)
		close(there);
	if (result == 0)
		*ret_back = own;
	else if (own >= 0)
		close(own);
	return result;
}

static void leave(int back)
{
	if (back < 0)
		return;
	/* Without it everything after this would be in the wrong place. */
	if (setns(back, CLONE_NEWNET) < 0)
		abort();
	close(back);
}

static int open_tap(struct speaker *s)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	memcpy(request.ifr_name, s->port->routing.device, sizeof(request.ifr_name));
	s->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (s->tap < 0 || ioctl(s->tap, TUNSETIFF, &request) < 0 ||
	    ioctl(s->tap, TUNSETPERSIST, 1) < 0)
		return -errno;
	return 0;
}

static int open_all(struct speaker *s)
{
	int result = open_tap(s);

	if (result == 0)
		result = fib_open(s->port->routing.device, &s->fib);
	if (result == 0)
		result = announcer_open(&s->announcer);
	return result;
}

static int open_speaker(struct speaker *s, struct reason *why)
{
	const struct declared_routing *r = &s->port->routing;
	int back, result = enter(r->netns, &back);

	if (result < 0)
		return reason_set(why, result, "element %s, port %s: network namespace %s: %s",
				  s->element, s->port->match, r->netns, strerror(-result));
	result = open_all(s);
	leave(back);
	if (result < 0)
		return reason_set(why, result, "element %s, port %s: device %s%s%s: %s", s->element,
				  s->port->match, r->device, r->netns[0] ? " in " : "", r->netns,
				  strerror(-result));
	return 0;
}

/* ---- routes ---- */

static void ask_next_hops(struct speaker *s)
{
	int64_t now = clock_now_ms();
	bool all = now - s->asked_known_ms >= ASK_KNOWN_MS;

	if (all)
		s->asked_known_ms = now;
	for (size_t at = 0; at < s->routes.size; at += sizeof(struct fib_route)) {
		struct fib_route r;

		memcpy(&r, s->routes.data + at, sizeof(r));
		if (all || mac_is_zero(&r.mac))
			fib_ask(s->fib, &r.next_hop);
	}
}

static void tell_core(struct speaker *s)
{
	size_t count = s->routes.size / sizeof(struct fib_route);
	struct outside_route *list;

	if (count > OUTSIDE_ROUTES_MAX && !s->reported)
		log_warn("%s port %s: %zu routes; only the first %d are told to the switch",
			 s->element, s->port->match, count, OUTSIDE_ROUTES_MAX);
	s->reported = count > OUTSIDE_ROUTES_MAX;
	if (count > OUTSIDE_ROUTES_MAX)
		count = OUTSIDE_ROUTES_MAX;
	list = memory_alloc_array(count, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		struct fib_route r;

		memcpy(&r, s->routes.data + i * sizeof(r), sizeof(r));
		list[i] = (struct outside_route){
			.prefix = r.prefix, .mac = r.mac, .is_neighbor = r.is_neighbor};
	}
	core_set_routes(s->outside->core, s->element, s->port->match, list, (unsigned)count,
			clock_now_ms());
	free(list);
}

static void read_routes(struct speaker *s)
{
	struct buffer routes = {0};
	int result = fib_read(s->fib, &routes);

	if (result < 0) {
		/* An interrupted dump: what changed meanwhile is announced, and read then. */
		log_debug("%s port %s: routes: %s", s->element, s->port->match, strerror(-result));
		buffer_finish(&routes);
		return;
	}
	buffer_finish(&s->routes);
	s->routes = routes;
	tell_core(s);
}

static void on_reading(uv_timer_t *timer)
{
	struct speaker *s = timer->data;

	read_routes(s);
	ask_next_hops(s);
}

/* What may be announced changes with drains, and with where packets may leave. */
static void announce(struct speaker *s)
{
	const struct config *c = s->outside->config;

	for (unsigned i = 0; s->told && i < c->prefix_count; i++)
		if (!c->prefixes[i].vrf)
			announcer_set(s->announcer, &c->prefixes[i].prefix,
				      core_announces(s->outside->core, s->element,
						     &c->prefixes[i].prefix));
	if (s->told)
		announcer_update(s->announcer, s->up);
}

static void on_asking(uv_timer_t *timer)
{
	announce(timer->data);
	ask_next_hops(timer->data);
}

static void on_change(uv_poll_t *poll, int status, int events)
{
	struct speaker *s = poll->data;

	if (fib_changed(s->fib) && !uv_is_active((uv_handle_t *)&s->reading))
		(void)uv_timer_start(&s->reading, on_reading, READ_AFTER_MS, 0);
}

/* ---- frames ---- */

static void on_frames(uv_poll_t *poll, int status, int events)
{
	struct speaker *s = poll->data;
	uint8_t frame[FRAME_MAX];
	ssize_t size;

	for (unsigned i = 0; i < FRAMES_AT_ONCE; i++) {
		size = read(s->tap, frame, sizeof(frame));
		if (size < 14)
			break;
		core_send_outside(s->outside->core, s->element, s->port->match, frame, (size_t)size,
				  clock_now_ms());
	}
}

static struct speaker *find(struct outside *o, const char *element, const char *port)
{
	for (unsigned i = 0; o && o->core && i < o->count; i++)
		if (strcmp(o->speakers[i].element, element) == 0 &&
		    strcmp(o->speakers[i].port->match, port) == 0)
			return &o->speakers[i];
	return NULL;
}

void outside_frame(struct outside *o, const char *element, const char *port, const void *frame,
		   size_t size)
{
	struct speaker *s = find(o, element, port);

	/* A daemon that does not keep up loses frames, as on a wire. */
	if (s && write(s->tap, frame, size) < 0 && errno != EAGAIN)
		log_debug("%s port %s: frame for %s: %s", element, port, s->port->routing.device,
			  strerror(errno));
}

static unsigned addresses_of(const struct declared_port *p, struct fib_address list[FAMILY_COUNT])
{
	unsigned count = 0;

	for (unsigned family = 0; family < FAMILY_COUNT; family++)
		if (!address_is_zero(&p->ways[family].address))
			list[count++] = (struct fib_address){p->ways[family].address,
							     p->ways[family].length};
	return count;
}

void outside_port(struct outside *o, const char *element, const char *port, const struct mac *mac,
		  bool up)
{
	struct fib_address addresses[FAMILY_COUNT];
	struct speaker *s = find(o, element, port);
	unsigned carrier = up;
	int result;

	if (!s)
		return;
	result = mac_is_zero(mac)
			 ? 0
			 : fib_set_device(s->fib, mac, addresses, addresses_of(s->port, addresses));
	if (result < 0)
		log_error("%s port %s: device %s: %s", element, port, s->port->routing.device,
			  strerror(-result));
	/* The daemon sees what the switch's port has. */
	if (ioctl(s->tap, TUNSETCARRIER, &carrier) < 0)
		log_debug("%s port %s: carrier: %s", element, port, strerror(errno));
	s->told = true;
	s->up = up;
	announcer_adopt_done(s->announcer);
	announce(s);
	log_info("%s port %s: %s, for the routing daemon at %s", element, port, up ? "up" : "down",
		 s->port->routing.device);
}

/* ---- from start to end ---- */

static void collect(struct outside *o)
{
	const struct config *c = o->config;

	for (unsigned i = 0; i < c->element_count; i++)
		for (unsigned k = 0; k < c->elements[i].port_count; k++) {
			if (!c->elements[i].ports[k].routing.device[0])
				continue;
			o->speakers =
				memory_resize(o->speakers, (o->count + 1) * sizeof(*o->speakers));
			o->speakers[o->count++] = (struct speaker){
				.outside = o,
				.element = c->elements[i].name,
				.port = &c->elements[i].ports[k],
				.tap = -1,
			};
		}
}

static void init_handles(uv_loop_t *loop, struct speaker *s)
{
	(void)uv_poll_init(loop, &s->frames, s->tap);
	(void)uv_poll_init(loop, &s->changes, fib_descriptor(s->fib));
	(void)uv_timer_init(loop, &s->reading);
	(void)uv_timer_init(loop, &s->asking);
	s->frames.data = s->changes.data = s->reading.data = s->asking.data = s;
	s->outside->open += 4;
}

int outside_open(uv_loop_t *loop, const struct config *config, struct outside **ret,
		 struct reason *why)
{
	struct outside *o = memory_alloc(sizeof(*o));
	unsigned opened = 0;
	int result = 0;

	o->config = config;
	collect(o);
	while (opened < o->count && result == 0)
		result = open_speaker(&o->speakers[opened++], why);
	for (unsigned i = 0; result == 0 && i < o->count; i++)
		init_handles(loop, &o->speakers[i]);
	*ret = o;
	if (result < 0) {
		outside_close(o);
		*ret = NULL;
	}
	return result;
}

void outside_start(struct outside *o, struct core *core)
{
	o->core = core;
	for (unsigned i = 0; i < o->count; i++) {
		struct speaker *s = &o->speakers[i];

		read_routes(s);
		(void)uv_poll_start(&s->frames, UV_READABLE, on_frames);
		(void)uv_poll_start(&s->changes, UV_READABLE, on_change);
		(void)uv_timer_start(&s->asking, on_asking, ASK_AGAIN_MS, ASK_AGAIN_MS);
	}
}

static void release(struct outside *o)
{
	for (unsigned i = 0; i < o->count; i++) {
		struct speaker *s = &o->speakers[i];

		if (s->tap >= 0)
			close(s->tap);
		fib_close(s->fib);
		announcer_close(s->announcer);
		buffer_finish(&s->routes);
	}
	free(o->speakers);
	free(o);
}

static void on_closed(uv_handle_t *handle)
{
	struct outside *o = ((struct speaker *)handle->data)->outside;

	if (--o->open == 0)
		release(o);
}

void outside_close(struct outside *o)
{
	if (!o)
		return;
	o->core = NULL;
	if (!o->open) {
		release(o);
		return;
	}
	for (unsigned i = 0; i < o->count; i++) {
		struct speaker *s = &o->speakers[i];

		uv_close((uv_handle_t *)&s->frames, on_closed);
		uv_close((uv_handle_t *)&s->changes, on_closed);
		uv_close((uv_handle_t *)&s->reading, on_closed);
		uv_close((uv_handle_t *)&s->asking, on_closed);
	}
}
