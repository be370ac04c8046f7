/* The world of the tests: the controller's shell, time, and what is delivered when. */
#include "fake_element.h"

#include "base/memory.h"

#include <stdio.h>

/* --- the controller's shell ---------------------------------------------------------------------
 */

static void on_flush(void *context, struct session *s)
{
	struct fake *f = session_handle(s);
	struct buffer *out = &session_channel(s)->out;

	buffer_add_bytes(&f->inbox, out->data, out->size);
	buffer_clear(out);
}

static void on_drop(void *context, struct session *s)
{
	struct fake *f = session_handle(s);

	on_flush(context, s);
	f->session = NULL;
	f->dropped = true;
}

static void on_event(void *context, const struct event *e)
{
	struct world *w = context;

	assert_true(w->event_count == 0 ||
		    e->revision == w->events[w->event_count - 1].revision + 1 || e->revision == 1);
	assert_true(w->event_count < EVENTS_MAX);
	w->events[w->event_count++] = *e;
}

static void on_forget(void *context, const char *node)
{
	struct world *w = context;

	for (unsigned i = 0; i < w->kept_count; i++)
		if (strcmp(w->kept_ids[i], node) == 0) {
			w->kept[i] = w->kept[--w->kept_count];
			memcpy(w->kept_ids[i--], w->kept_ids[w->kept_count], NAME_SIZE);
		}
}

static void on_keep(void *context, const struct attachment *a)
{
	struct world *w = context;
	struct attachment copy = *a;

	on_forget(context, a->node);
	assert_true(w->kept_count < ARRAY_SIZE(w->kept));
	/* The core's id is gone with the core. */
	snprintf(w->kept_ids[w->kept_count], NAME_SIZE, "%s", a->node);
	w->kept[w->kept_count++] = copy;
}

static void on_forget_node(void *context, const char *id)
{
	struct world *w = context;

	for (unsigned i = 0; i < w->claimed_count; i++)
		if (strcmp(w->claimed[i].id, id) == 0)
			w->claimed[i--] = w->claimed[--w->claimed_count];
}

static void on_keep_node(void *context, const struct node_spec *n)
{
	struct world *w = context;
	struct node_spec copy = *n;

	on_forget_node(context, n->id);
	assert_true(w->claimed_count < ARRAY_SIZE(w->claimed));
	w->claimed[w->claimed_count++] = copy;
}

static void on_keep_registration(void *context, const char *node, const char *device,
				 uint32_t lifetime_s)
{
	struct world *w = context;

	snprintf(w->registered.node, NAME_SIZE, "%s", device ? node : "");
	snprintf(w->registered.device, NAME_SIZE, "%s", device ? device : "");
	w->registered.lifetime_s = lifetime_s;
}

/* --- the world ------------------------------------------------------------------------------- */

static void add_fake(struct world *w, uint32_t id, const char *name, const char *backplane)
{
	struct fake *f = &w->fakes[w->fake_count++];

	*f = (struct fake){.world = w, .id = id, .name = name, .generation = UINT64_MAX};
	f->backplane = an_address(backplane);
	f->ports[f->port_count++] =
		(struct fake_port){.number = 2, .role = PORT_ACCESS, .up = true};
	f->ports[f->port_count++] =
		(struct fake_port){.number = 3, .role = PORT_ACCESS, .up = true};
	if (id == 1)
		f->ports[f->port_count++] =
			(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	table_init(&f->rules, sizeof(struct rule_key), sizeof(struct rule), 1);
	table_init(&f->groups, sizeof(uint32_t), sizeof(struct rule_group), 1);
	table_init(&f->links, sizeof(uint32_t), sizeof(struct fake_link), 1);
}

static void add_link(struct core *c, const char *a, const char *b)
{
	struct link l = {.cost = 1};
	struct reason why;

	snprintf(l.ends[0], NAME_SIZE, "%s", a);
	snprintf(l.ends[1], NAME_SIZE, "%s", b);
	assert_int_equal(core_add_link(c, &l, &why), 0);
}

static bool is_acknowledged(void *context, struct session *s)
{
	return ((struct world *)context)->acknowledges;
}

static void start_core(struct world *w, uint16_t term)
{
	struct core_shell shell = {on_flush,  on_drop, on_event,       on_keep,
				   on_forget, w,       is_acknowledged};
	struct covered_prefix p = {.mobile = true, .signed_only = w->signs};
	struct reason why;

	shell.keep_node = on_keep_node;
	shell.forget_node = on_forget_node;
	shell.keep_registration = on_keep_registration;
	w->core = core_create(&w->config, &shell, 42, term, w->now_ms);
	assert_int_equal(prefix_parse("10.10.0.0/16", &p.prefix), 0);
	p.gateway = an_address("10.10.0.1");
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	add_link(w->core, "FE1", "FE2");
	add_link(w->core, "FE2", "FE3");
}

static void declare(struct world *w)
{
	struct reason why;

	for (unsigned i = 0; i < w->switch_count; i++)
		assert_int_equal(core_add_element(w->core, &w->switches[i], &why), 0);
}

void world_declare_switch(struct world *w, uint32_t fe)
{
	struct fake *f = fake_of(w, fe);
	struct declared_element *d = &w->switches[w->switch_count++];
	struct reason why;

	*d = (struct declared_element){
		.id = fe, .backplane = f->backplane, .port_count = f->port_count};
	snprintf(d->name, sizeof(d->name), "%s", f->name);
	for (unsigned i = 0; i < f->port_count; i++) {
		struct declared_port *p = &d->ports[i];

		snprintf(p->match, sizeof(p->match), "port%u", f->ports[i].number);
		p->role = f->ports[i].role;
		if (p->role == PORT_EXTERNAL) {
			p->ways[FAMILY_IPV4].address = an_address("198.51.100.1");
			if (w->routing)
				strcpy(p->routing.device, "ext0");
			else
				p->ways[FAMILY_IPV4].next_hop = an_address("198.51.100.254");
		}
	}
	f->is_switch = true;
	assert_int_equal(core_add_element(w->core, d, &why), 0);
}

struct world *world_create_bare(enum admission_mode admission)
{
	struct world *w = memory_alloc(sizeof(*w));

	w->now_ms = 1000000;
	w->config = (struct core_config){.name = "cc",
					 .admission = admission,
					 .shard = 1,
					 .gateway_mac = a_mac("02:00:00:00:00:01")};
	add_fake(w, 1, "FE1", "192.0.2.1");
	add_fake(w, 2, "FE2", "192.0.2.2");
	add_fake(w, 3, "FE3", "192.0.2.3");
	start_core(w, 1);
	return w;
}

static void add_nodes(struct world *w)
{
	world_add_node(w, "vm1", "52:54:00:00:00:11", "10.10.0.11");
	world_add_node(w, "vm2", "52:54:00:00:00:12", "10.10.0.12");
}

struct world *world_create(void)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	add_nodes(w);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 100);
	world_forget_log(w);
	return w;
}

void world_destroy(struct world *w)
{
	core_destroy(w->core);
	for (unsigned i = 0; i < w->fake_count; i++) {
		table_finish(&w->fakes[i].rules);
		table_finish(&w->fakes[i].groups);
		table_finish(&w->fakes[i].links);
		channel_finish(&w->fakes[i].channel);
		buffer_finish(&w->fakes[i].inbox);
		buffer_finish(&w->fakes[i].kept);
		buffer_finish(&w->fakes[i].owed);
	}
	free(w);
}

void world_connect(struct world *w, struct fake *f)
{
	channel_finish(&f->channel);
	buffer_clear(&f->inbox);
	f->dropped = f->has_master = false;
	channel_init(&f->channel, &fake_ops, f, 0, w->now_ms);
	f->session = core_session_open(w->core, f->name, f, w->now_ms);
	on_flush(w, f->session);
}

void world_disconnect(struct world *w, struct fake *f)
{
	core_session_close(f->session, "reset", w->now_ms);
	f->session = NULL;
}

void world_restart(struct world *w, uint16_t term, bool store)
{
	core_destroy(w->core);
	w->event_count = 0;
	start_core(w, term);
	declare(w);
	for (unsigned i = 0; store && i < w->kept_count; i++) {
		w->kept[i].node = w->kept_ids[i];
		core_restore_attachment(w->core, &w->kept[i]);
	}
	if (store && w->registered.node[0])
		core_restore_registration(w->core, w->registered.node, w->registered.device,
					  w->registered.lifetime_s);
	add_nodes(w);
	for (unsigned i = 0; store && i < w->claimed_count; i++) {
		struct node_spec n = w->claimed[i];
		struct reason why;

		assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	}
	if (!store)
		w->kept_count = w->claimed_count = 0;
	world_forget_log(w);
}

struct node_spec world_node(const struct world *w, const char *id)
{
	struct node_spec n;

	node_describe(inventory_node(core_inventory(w->core), id), &n);
	return n;
}

void world_add_node(struct world *w, const char *id, const char *mac, const char *address)
{
	struct node_spec n = {.mobile = true, .address_count = 1};
	struct reason why;

	snprintf(n.id, sizeof(n.id), "%s", id);
	n.mac = a_mac(mac);
	n.addresses[0] = an_address(address);
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
}

static bool deliver(struct world *w, struct fake *f)
{
	bool moved = false;

	if (f->session && !f->deaf && f->inbox.size) {
		struct buffer bytes = f->inbox;

		f->inbox = (struct buffer){0};
		channel_receive(&f->channel, bytes.data, bytes.size, w->now_ms);
		buffer_finish(&bytes);
		moved = true;
	}
	if (f->session && !f->mute && f->channel.out.size) {
		struct buffer bytes = f->channel.out;

		f->channel.out = (struct buffer){0};
		core_session_receive(f->session, bytes.data, bytes.size, w->now_ms);
		buffer_finish(&bytes);
		moved = true;
	}
	return moved;
}

void world_run(struct world *w)
{
	bool moved = true;

	for (unsigned rounds = 0; moved; rounds++) {
		assert_true(rounds < 1000);
		moved = false;
		for (unsigned i = 0; i < w->fake_count; i++)
			moved |= deliver(w, &w->fakes[i]);
		if (!moved && core_owes_barriers(w->core) && !w->holds_barriers) {
			core_send_barriers(w->core);
			moved = true;
		}
	}
}

void world_wait(struct world *w, unsigned ms)
{
	for (unsigned passed = 0; passed < ms; passed += 10) {
		w->now_ms += 10;
		core_tick(w->core, w->now_ms);
		world_run(w);
	}
}

void world_forget_log(struct world *w)
{
	w->log_count = 0;
	for (unsigned i = 0; i < w->fake_count; i++)
		w->fakes[i].flow_mods = w->fakes[i].group_mods = w->fakes[i].link_mods = 0;
}

unsigned world_flow_mods(const struct world *w)
{
	unsigned count = 0;

	for (unsigned i = 0; i < w->fake_count; i++)
		count += w->fakes[i].flow_mods + w->fakes[i].group_mods;
	return count;
}

unsigned world_count_events(const struct world *w, enum event_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < w->event_count; i++)
		count += w->events[i].kind == kind;
	return count;
}

const struct event *world_last_event(const struct world *w, enum event_kind kind)
{
	for (unsigned i = w->event_count; i > 0; i--)
		if (w->events[i - 1].kind == kind)
			return &w->events[i - 1];
	return NULL;
}

struct world *world_with_vm1_at(uint32_t fe, uint32_t port)
{
	struct world *w = world_create();

	fake_announces(w, fe, port, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", fe, port, ATTACHMENT_ACTIVE);
	world_wait(w, 2000);
	world_forget_log(w);
	return w;
}

void assert_at(struct world *w, const char *node, uint32_t fe, uint32_t port,
	       enum attachment_state state)
{
	const struct attachment *a = core_attachment(w->core, node);

	assert_non_null(a);
	assert_int_equal(a->place.fe, fe);
	assert_int_equal(a->place.port, port);
	assert_string_equal(attachment_state_name(a->state), attachment_state_name(state));
}

void assert_bound(struct world *w, const char *address, uint32_t fe, uint32_t port)
{
	for (unsigned i = 0; i < w->fake_count; i++) {
		uint32_t id = w->fakes[i].id;
		const struct rule *local = fake_rule(w, id, RULE_LOCAL, address);
		const struct rule *guard = fake_rule(w, id, RULE_GUARD, address);
		const struct rule *foreign = fake_rule(w, id, RULE_FOREIGN, address);

		if (id == fe) {
			assert_non_null(local);
			assert_non_null(guard);
			assert_null(foreign);
			assert_int_equal(local->port, port);
			assert_int_equal(guard->key.port, port);
		} else {
			assert_null(local);
			assert_null(guard);
			assert_int_equal(foreign != NULL, fe != 0);
			if (foreign)
				assert_int_equal(foreign->fe, fe);
		}
	}
}

struct numbered_node numbered_node(unsigned i)
{
	struct numbered_node n;

	snprintf(n.id, sizeof(n.id), "n%u", i);
	snprintf(n.mac, sizeof(n.mac), "52:54:00:00:01:%02x", i);
	snprintf(n.address, sizeof(n.address), "10.10.1.%u", i);
	return n;
}

void world_add_numbered(struct world *w, unsigned i)
{
	struct numbered_node n = numbered_node(i);

	world_add_node(w, n.id, n.mac, n.address);
}

void fake_announces_numbered(struct world *w, uint32_t fe, unsigned i)
{
	struct numbered_node n = numbered_node(i);

	fake_announces(w, fe, 2, n.mac, n.address);
}

void assert_numbered_at(struct world *w, uint32_t fe, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		struct numbered_node n = numbered_node(i);
		const struct attachment *a = core_attachment(w->core, n.id);

		assert_non_null(a);
		assert_int_equal(a->place.fe, fe);
		assert_bound(w, n.address, fe, 2);
	}
}
