/* The controller: its core, and a store of which a crash may lose the tail. */
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

#define SLICE 4

/* Which device has a node, in the store. */
struct sim_holder {
	char device[NAME_SIZE];
	uint32_t lifetime_s;
};

static void flush(void *context, struct session *s)
{
	wire_flush_core(context, (uint32_t)(uintptr_t)session_handle(s));
}

/* The core frees the session after this. */
static void drop(void *context, struct session *s)
{
	struct world *w = context;
	uint32_t index = (uint32_t)(uintptr_t)session_handle(s);
	struct wire *wire = &w->elements[index].wire;

	if (wire->session != s)
		return;
	wire->open_at_core = false;
	wire->session = NULL;
	world_at(w, 50, HAPPENS_CLOSE_AT_FE, index, wire->epoch);
}

static void on_event(void *context, const struct event *e)
{
	struct world *w = context;

	if (e->kind == EVENT_MOVED)
		w->moves++;
	if (w->options.verbose)
		printf("%12.6f  event  %s\n", (double)w->now_us / 1e6, e->text);
}

static void keep_attachment(void *context, const struct attachment *a)
{
	struct world *w = context;
	char key[NAME_SIZE] = {0};

	snprintf(key, sizeof(key), "%s", a->node);
	*(struct attachment *)table_put(&w->store.attachments, key, NULL) = *a;
	if (a->state == ATTACHMENT_GONE)
		*(struct attachment *)table_put(&w->store.tombstones, key, NULL) = *a;
}

static void forget_attachment(void *context, const char *node)
{
	struct world *w = context;
	char key[NAME_SIZE] = {0};

	snprintf(key, sizeof(key), "%s", node);
	table_remove(&w->store.attachments, key);
	table_remove(&w->store.tombstones, key);
}

static void keep_registration(void *context, const char *node, const char *device,
			      uint32_t lifetime_s)
{
	struct world *w = context;
	struct sim_holder *kept;
	char key[NAME_SIZE] = {0};

	snprintf(key, sizeof(key), "%s", node);
	if (!device) {
		table_remove(&w->store.holders, key);
		return;
	}
	kept = table_put(&w->store.holders, key, NULL);
	snprintf(kept->device, sizeof(kept->device), "%s", device);
	kept->lifetime_s = lifetime_s;
}

static void describe(const struct world *w, const struct host *h, struct node_spec *ret)
{
	*ret = (struct node_spec){
		.mac = signer_mac((uint32_t)(h - w->hosts), 0), .address_count = 1, .mobile = true};
	ret->addresses[0] = h->address;
	if (!address_is_zero(&h->second))
		ret->addresses[ret->address_count++] = h->second;
	memcpy(ret->id, h->id, sizeof(ret->id));
}

void control_init(struct world *w)
{
	table_init(&w->store.nodes, NAME_SIZE, sizeof(struct node_spec), w->options.seed);
	table_init(&w->store.attachments, NAME_SIZE, sizeof(struct attachment), w->options.seed);
	table_init(&w->store.tombstones, NAME_SIZE, sizeof(struct attachment), w->options.seed);
	table_init(&w->store.holders, NAME_SIZE, sizeof(struct sim_holder), w->options.seed);
	w->core_config = (struct core_config){
		.name = "cc",
		.admission = ADMISSION_STRICT,
		.gateway_mac = {{2, 0, 0x5e, 0, 0x53, 1}},
		.port_grace_ms = 2000,
		.prepare_timeout_ms = 30000,
		.probe_timeout_ms = 300,
		.learn_timeout_ms = 5000,
		.slice = SLICE,
		.fault = w->options.fault,
		.registration_lifetime_s = 60,
		.shared_ports = world_has(w, WORLD_ASKED) ? SHARED_PORTS_ASK : SHARED_PORTS_TRUST,
	};
}

void control_finish(struct world *w)
{
	if (w->core)
		core_destroy(w->core);
	w->core = NULL;
	table_finish(&w->store.nodes);
	table_finish(&w->store.attachments);
	table_finish(&w->store.tombstones);
	table_finish(&w->store.holders);
}

static void restore(struct world *w)
{
	struct reason why;
	size_t at = 0;
	const void *key;
	void *value;

	while (table_next(&w->store.nodes, &at, NULL, &value))
		if (core_put_node(w->core, value, world_core_ms(w), &why) < 0)
			world_break(w, "a restarted controller refuses an acknowledged node: %s",
				    why.text);
	for (uint32_t i = 0; world_has(w, WORLD_SIGNED) && i < w->options.hosts; i++)
		if (w->hosts[i].present)
			signer_put_devices(w, i);
	at = 0;
	while (table_next(&w->store.attachments, &at, &key, &value)) {
		struct attachment a = *(const struct attachment *)value;

		a.node = key; /* the core's that it had is gone */
		core_restore_attachment(w->core, &a);
	}
	at = 0;
	while (table_next(&w->store.holders, &at, &key, &value)) {
		const struct sim_holder *kept = value;

		core_restore_registration(w->core, key, kept->device, kept->lifetime_s);
	}
}

static size_t unsent(void *context, const struct session *s)
{
	return 0;
}

void control_start(struct world *w)
{
	struct core_shell shell = {flush, drop, on_event, keep_attachment, forget_attachment, w};
	struct covered_prefix prefix = {.mobile = true, .signed_only = world_has(w, WORLD_SIGNED)};
	struct reason why;

	if (w->core)
		return;
	w->store.term++;
	shell.keep_registration = keep_registration;
	w->core_config.registration_epoch = random_of(w->options.seed, 0xe90c, w->core_starts) | 1;
	/* Every other time FEs that come back are compared slice by slice, one in each tick. */
	if (random_of(w->options.seed, 0x51, w->core_starts) & 1)
		shell.unsent = unsent;
	w->core = core_create(&w->core_config, &shell,
			      random_of(w->options.seed, 0xcc, w->core_starts++), w->store.term,
			      world_core_ms(w));
	if (prefix_parse("10.0.0.0/8", &prefix.prefix) < 0 ||
	    address_parse("10.255.255.254", &prefix.gateway) < 0 ||
	    core_add_prefix(w->core, &prefix, &why) < 0)
		world_break(w, "the prefix is refused");
	prefix = (struct covered_prefix){.mobile = true, .signed_only = prefix.signed_only};
	if (world_has(w, WORLD_DUAL) && (prefix_parse("fd00::/8", &prefix.prefix) < 0 ||
					 address_parse("fd00::1", &prefix.gateway) < 0 ||
					 core_add_prefix(w->core, &prefix, &why) < 0))
		world_break(w, "the IPv6 prefix is refused");
	link_declare(w);
	for (uint32_t i = 0; i < w->options.elements; i++)
		if (w->elements[i].drains)
			core_restore_drain(w->core, w->elements[i].config.name);
	restore(w);
	for (uint32_t i = 0; i < w->options.hosts; i++)
		if (w->core_died_us < w->hosts[i].reverts_us)
			host_await_revert(w, &w->hosts[i]);
	w->core_disturbed_us = w->now_us;
}

/* It was not written yet: what it would have replaced is still there. */
static void forget_attached(struct world *w, const void *key, struct attachment *a)
{
	const struct attachment *tombstone = table_get(&w->store.tombstones, key);

	table_remove(&w->store.holders, key);
	if (tombstone)
		*a = *tombstone;
	else
		table_remove(&w->store.attachments, key);
}

/* Forgets the last of what was kept. */
static void forget_tail(struct world *w, uint32_t count)
{
	struct random r = {random_of(w->options.seed, 0xf0, w->core_starts)};
	size_t at = 0;
	const void *key;
	struct attachment *a;

	/* A tombstone is written with the removal of its node, which was acknowledged. */
	while (count && table_next(&w->store.attachments, &at, &key, (void **)&a))
		if (a->state != ATTACHMENT_GONE && !random_below(&r, 4)) {
			forget_attached(w, key, a);
			count--;
		}
}

void control_crash(struct world *w, uint32_t ms, uint32_t forgets)
{
	if (!w->core)
		return;
	if (core_term(w->core) > w->store.term)
		w->store.term = core_term(w->core);
	core_destroy(w->core);
	w->core = NULL;
	w->core_died_us = w->now_us;
	for (uint32_t i = 0; i < w->options.elements; i++) {
		struct wire *wire = &w->elements[i].wire;

		wire->open_at_core = false;
		wire->session = NULL;
		world_at(w, 50, HAPPENS_CLOSE_AT_FE, i, wire->epoch);
	}
	forget_tail(w, forgets);
	w->core_disturbed_us = w->now_us + (int64_t)ms * 1000;
	world_at(w, (int64_t)ms * 1000, HAPPENS_CORE_START, 0, 0);
}

void control_lose_store(struct world *w)
{
	control_crash(w, 500, 0);
	table_clear(&w->store.attachments);
	table_clear(&w->store.tombstones);
	table_clear(&w->store.holders);
	w->store.term = 0;
	/* With it go the tombstones: of what was deregistered nobody knows any more. */
	for (uint32_t i = 0; i < w->options.hosts; i++)
		w->hosts[i].forgotten_us = 0;
	for (uint32_t i = 0; i < w->options.elements; i++)
		plane_forget_versions(&w->elements[i].plane);
}

void control_put_host(struct world *w, uint32_t host)
{
	struct host *h = &w->hosts[host];
	struct reason why;
	struct node_spec n;

	describe(w, h, &n);
	if (!w->core || core_put_node(w->core, &n, world_core_ms(w), &why) < 0)
		return;
	*(struct node_spec *)table_put(&w->store.nodes, h->id, NULL) =
		n; /* acknowledged: durable */
	if (world_has(w, WORLD_SIGNED))
		signer_put_devices(w, host);
	h->present = true;
	/* Its FE may be away, and not ask about what it says until it is told to. */
	host_disturb(h, h->talks_us + QUIET_TALK_US);
}

void control_remove_host(struct world *w, uint32_t host)
{
	struct host *h = &w->hosts[host];
	struct reason why;

	if (!w->core || core_remove_node(w->core, h->id, world_core_ms(w), &why) < 0)
		return;
	table_remove(&w->store.nodes, h->id);
	h->forgotten_us = w->now_us;
	h->present = false;
	host_disturb(h, w->now_us);
}

void control_drain(struct world *w, uint32_t element, bool drains)
{
	struct sim_element *e = &w->elements[element];
	struct reason why;

	if (w->core && core_drain(w->core, e->config.name, drains, world_core_ms(w), &why) == 0)
		e->drains = drains; /* acknowledged: durable */
	e->disturbed_us = w->now_us;
}
