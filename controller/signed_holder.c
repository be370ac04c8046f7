/* Which device has a node, and until when.  Lifetimes are a wheel of one slot a second, so that a
 * million of them cost nothing while nothing ends; they are kept in the store when they begin, not
 * when they are prolonged, and begin anew after a restart. */
#include "controller/signed.h"

#include "controller/record.h"

#include <errno.h>
#include <string.h>

struct holder *holder_find(const struct core *c, const char *node)
{
	char key[NAME_SIZE];

	name_copy(key, node);
	return table_get(&c->signing->holders, key);
}

static void leave_wheel(struct holder *h)
{
	if (!h->link)
		return;
	*h->link = h->next;
	if (h->next)
		h->next->link = h->link;
	h->link = NULL;
}

static void enter_wheel(struct signed_state *s, struct holder *h)
{
	/* The slot is looked at when its second is over. */
	struct holder **slot = &s->wheel[(h->deadline_ms / 1000 + 1) % SIGNED_WHEEL];

	h->next = *slot;
	h->link = slot;
	if (h->next)
		h->next->link = &h->next;
	*slot = h;
}

struct holder *holder_set(struct core *c, const char *node, const char *device, uint32_t lifetime_s)
{
	struct signed_state *s = c->signing;
	struct holder *h;
	char key[NAME_SIZE], name[NAME_SIZE];
	bool created, changed;

	name_copy(key, node);
	name_copy(name, device ? device : "");
	h = table_put(&s->holders, key, &created);
	changed = created || h->known != (device != NULL) || h->lifetime_s != lifetime_s ||
		  memcmp(h->device, name, NAME_SIZE) != 0;
	memcpy(h->node, key, NAME_SIZE);
	memcpy(h->device, name, NAME_SIZE);
	h->known = device != NULL;
	h->lifetime_s = lifetime_s;
	h->deadline_ms = s->clock_ms + (int64_t)lifetime_s * 1000;
	leave_wheel(h);
	enter_wheel(s, h);
	if (changed && h->known && c->shell.keep_registration)
		c->shell.keep_registration(c->shell.context, h->node, h->device, lifetime_s);
	return h;
}

void holder_forget(struct core *c, const char *node)
{
	struct holder *h = holder_find(c, node);
	char key[NAME_SIZE];

	if (!h)
		return;
	memcpy(key, h->node, NAME_SIZE);
	leave_wheel(h);
	(void)table_remove(&c->signing->holders, key);
	if (c->shell.keep_registration)
		c->shell.keep_registration(c->shell.context, key, NULL, 0);
}

uint32_t holder_left_s(const struct core *c, const struct holder *h)
{
	int64_t left = h->deadline_ms - c->signing->clock_ms;

	return left > 0 ? (uint32_t)((left + 999) / 1000) : 0;
}

static void end(struct core *c, struct holder *h)
{
	struct attachment_record *r = attachment_find(c, h->node);

	c->signing->counts.expired++;
	if (r && !r->detached)
		record_detach(c, r, "its registration's lifetime is over");
	else
		holder_forget(c, h->node);
}

/* record_detach takes the holder off the wheel. */
static void look_at_slot(struct core *c, int64_t second)
{
	struct signed_state *s = c->signing;
	struct holder *next;

	for (struct holder *h = s->wheel[second % SIGNED_WHEEL]; h; h = next) {
		next = h->next;
		if (h->deadline_ms <= s->clock_ms)
			end(c, h);
	}
}

void signed_tick(struct core *c)
{
	struct signed_state *s = c->signing;
	int64_t passed = c->now_ms - s->tick_ms, now_s;

	/* Time that passed while nobody ran us is nobody's silence (stall.c). */
	s->clock_ms += passed > 1000 ? 1000 : passed;
	s->tick_ms = c->now_ms;
	now_s = s->clock_ms / 1000;
	while (s->wheel_s < now_s)
		look_at_slot(c, ++s->wheel_s);
}

void signed_learnt(struct core *c)
{
	size_t at = 0;
	struct attachment_record *r;

	while (pool_next(&c->records, &at, (void **)&r))
		if (!r->detached && record_node(c, r) && signed_demanded(c, record_node(c, r)) &&
		    !holder_find(c, r->a.node))
			(void)holder_set(c, r->a.node, NULL, c->config.registration_lifetime_s);
}

void core_restore_registration(struct core *c, const char *node, const char *device,
			       uint32_t lifetime_s)
{
	const struct attachment_record *r = attachment_find(c, node);

	if (r && !r->detached && lifetime_s <= REGISTRATION_LIFETIME_MOST_S)
		(void)holder_set(c, node, device, lifetime_s);
}

bool core_registration(const struct core *c, const char *node, struct registration_view *ret)
{
	const struct holder *h = holder_find(c, node);

	if (!h)
		return false;
	memcpy(ret->device, h->device, NAME_SIZE);
	ret->known = h->known;
	ret->confirmed = h->confirmed;
	ret->left_s = holder_left_s(c, h);
	return true;
}

/* ---- devices ---- */

int core_put_device(struct core *c, const struct device *d, int64_t now_ms, struct reason *why)
{
	core_set_now(c, now_ms);
	if (!inventory_node(&c->inventory, d->node))
		return reason_set(why, -ENOENT, "there is no node %.*s", NAME_SIZE - 1, d->node);
	if (!mac_is_zero(&d->mac) && rule_is_gateway_mac(&d->mac, &c->config.gateway_mac))
		return reason_set(why, -EINVAL, "node %s: device '%s': its MAC is the gateway's",
				  d->node, d->name);
	return devices_put(&c->devices, d, why);
}

int core_remove_device(struct core *c, const char *node, const char *name, int64_t now_ms,
		       struct reason *why)
{
	const struct holder *h = holder_find(c, node);

	core_set_now(c, now_ms);
	if (!devices_remove(&c->devices, node, name))
		return reason_set(why, -ENOENT, "node %.*s has no device '%.*s'", NAME_SIZE - 1,
				  node, NAME_SIZE - 1, name);
	if (h && h->known && strcmp(h->device, name) == 0)
		(void)attachment_detach(c, node, "its device is removed");
	return 0;
}

const struct devices *core_devices(const struct core *c)
{
	return &c->devices;
}

struct registration_counts core_registration_counts(const struct core *c)
{
	return c->signing->counts;
}
