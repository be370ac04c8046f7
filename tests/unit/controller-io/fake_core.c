/* A controller core that answers from a script, so that its shell can be tested alone. */
#include "tests/unit/controller-io/fake_core.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int result)
{
	assert(result == 0);
}

struct session {
	struct core *core;
	void *handle;
	struct channel channel;
	struct session *next;
};

struct core {
	struct core_config config;
	struct core_shell shell;
	struct inventory inventory;
	struct devices devices;
	struct attachment attachments[16];
	unsigned attachment_count;
	uint64_t revision;
	uint16_t term;
	struct session *sessions;
	struct fake fake;
	void (*rules_done)(void *, int, const struct ofp_flow_stats *, const struct rule *, size_t);
	void *rules_to;
};

struct fake *fake_state(struct core *c)
{
	return &c->fake;
}

struct session *fake_session(struct core *c)
{
	return c->sessions;
}

struct core *core_create(const struct core_config *config, const struct core_shell *shell,
			 uint64_t seed, uint16_t term, int64_t now_ms)
{
	struct core *c = memory_alloc(sizeof(*c));

	c->config = *config;
	c->shell = *shell;
	c->term = term;
	devices_init(&c->devices, seed);
	inventory_init(&c->inventory, seed);
	return c;
}

void core_destroy(struct core *c)
{
	if (!c)
		return;
	while (c->sessions) {
		if (c->shell.drop)
			c->shell.drop(c->shell.context, c->sessions);
		core_session_close(c->sessions, NULL, 0);
	}
	inventory_finish(&c->inventory);
	devices_finish(&c->devices);
	free(c);
}

uint16_t core_term(const struct core *c)
{
	return c->term;
}

void fake_emit(struct core *c, enum event_kind kind, const char *node, const char *text)
{
	struct event e = {.revision = ++c->revision, .kind = kind, .at_ms = 1};

	snprintf(e.node, sizeof(e.node), "%s", node);
	snprintf(e.text, sizeof(e.text), "%s", text);
	if (c->shell.event)
		c->shell.event(c->shell.context, &e);
}

int core_add_prefix(struct core *c, const struct covered_prefix *p, struct reason *why)
{
	return inventory_add_prefix(&c->inventory, p, why);
}

int core_add_tunnel(struct core *c, const struct tunnel_wish *w, struct reason *why)
{
	return 0;
}

int core_add_network(struct core *c, const struct network *n, struct reason *why)
{
	return networks_add(&c->inventory.networks, n, why);
}

int core_settle_networks(struct core *c, unsigned *ret_at, struct reason *why)
{
	return networks_settle(&c->inventory.networks, ret_at, why);
}

int core_add_element(struct core *c, const struct declared_element *d, struct reason *why)
{
	return 0;
}

int core_add_link(struct core *c, const struct link *l, struct reason *why)
{
	return inventory_add_link(&c->inventory, l, why);
}

void core_restore_attachment(struct core *c, const struct attachment *a)
{
	c->attachments[c->attachment_count++] = *a;
}

/* ---- southbound ---- */

struct session *core_session_open(struct core *c, const char *peer, void *handle, int64_t now_ms)
{
	struct session *s = memory_alloc(sizeof(*s));

	s->core = c;
	s->handle = handle;
	s->next = c->sessions;
	c->sessions = s;
	c->fake.sessions++;
	buffer_add_bytes(&s->channel.out, c->fake.greeting, c->fake.greeting_size);
	return s;
}

void core_session_receive(struct session *s, const uint8_t *bytes, size_t size, int64_t now_ms)
{
	s->core->fake.received += size;
	/* An echo, at once. */
	buffer_add_bytes(&s->channel.out, bytes, size);
	s->core->shell.flush(s->core->shell.context, s);
}

void core_session_close(struct session *s, const char *reason, int64_t now_ms)
{
	struct session **link = &s->core->sessions;

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	s->core->fake.closed++;
	buffer_finish(&s->channel.out);
	free(s);
}

struct channel *session_channel(struct session *s)
{
	return &s->channel;
}

void *session_handle(const struct session *s)
{
	return s->handle;
}

void fake_send(struct core *c, const void *bytes, size_t size)
{
	if (!c->sessions)
		return;
	buffer_add_bytes(&c->sessions->channel.out, bytes, size);
	c->shell.flush(c->shell.context, c->sessions);
}

void core_tick(struct core *c, int64_t now_ms)
{
	c->fake.ticks++;
}

bool core_is_comparing(const struct core *c)
{
	return false;
}

bool core_compare(struct core *c)
{
	return false;
}

bool core_owes_barriers(const struct core *c)
{
	return c->fake.owes_barriers;
}

void core_send_barriers(struct core *c)
{
	c->fake.owes_barriers = false;
}

bool core_end_with_barrier(struct session *s)
{
	return false;
}

/* ---- changes ---- */

int core_put_node(struct core *c, const struct node_spec *n, int64_t now_ms, struct reason *why)
{
	int result = inventory_put_node(&c->inventory, n, why);

	if (result == 0)
		fake_emit(c, EVENT_NODE_ADDED, n->id, "added");
	return result;
}

int core_remove_node(struct core *c, const char *id, int64_t now_ms, struct reason *why)
{
	if (!inventory_remove_node(&c->inventory, id))
		return reason_set(why, -ENOENT, "no node '%s'", id);
	fake_emit(c, EVENT_NODE_REMOVED, id, "removed");
	return 0;
}

static struct attachment *find(const struct core *c, const char *node)
{
	for (unsigned i = 0; i < c->attachment_count; i++) {
		if (strcmp(c->attachments[i].node, node) == 0)
			return (struct attachment *)(uintptr_t)&c->attachments[i];
	}
	return NULL;
}

int core_prepare_move(struct core *c, const char *node, const char *element, const char *port,
		      uint16_t vlan, int64_t now_ms, struct reason *why)
{
	struct attachment *a = find(c, node);

	if (!inventory_node(&c->inventory, node))
		return reason_set(why, -ENOENT, "no node '%s'", node);
	if (a && a->state == ATTACHMENT_PREPARED)
		return reason_set(why, -EBUSY, "node '%s' is moving already", node);
	if (!a)
		a = &c->attachments[c->attachment_count++];
	snprintf(c->fake.prepared_element, NAME_SIZE, "%s", element);
	snprintf(c->fake.prepared_port, NAME_SIZE, "%s", port);
	a->node = inventory_node(&c->inventory, node)->id;
	a->state = ATTACHMENT_PREPARED;
	a->place = (struct place){.fe = 2, .port = 3, .vlan = vlan};
	a->previous = (struct place){.fe = 1, .port = 2};
	a->version = (struct version){.term = c->term, .sequence = 7};
	fake_emit(c, EVENT_PREPARED, node, "prepared");
	return 0;
}

int core_confirm_move(struct core *c, const char *node, int64_t now_ms, struct reason *why)
{
	struct attachment *a = find(c, node);

	if (!a)
		return reason_set(why, -ENOENT, "node '%s' is not moving", node);
	a->state = ATTACHMENT_ACTIVE;
	fake_emit(c, EVENT_MOVED, node, "moved");
	return 0;
}

int core_revert_move(struct core *c, const char *node, int64_t now_ms, struct reason *why)
{
	struct attachment *a = find(c, node);

	if (!a)
		return reason_set(why, -ENOENT, "node '%s' is not moving", node);
	a->state = ATTACHMENT_ACTIVE;
	a->place = a->previous;
	fake_emit(c, EVENT_REVERTED, node, "reverted");
	return 0;
}

int core_detach_node(struct core *c, const char *node, int64_t now_ms, struct reason *why)
{
	struct attachment *a = find(c, node);

	if (!a)
		return reason_set(why, -ENOENT, "node '%s' is attached nowhere", node);
	*a = c->attachments[--c->attachment_count];
	return 0;
}

/* ---- queries ---- */

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {
		"element-up",   "element-down", "port-up",    "port-down", "port-gone",
		"node-added",   "node-removed", "attached",   "moved",     "prepared",
		"reverted",     "detached",     "refused",    "ambiguous", "synchronized",
		"redesignated", "table-full",   "way-out",    "draining",  "link-up",
		"link-down",    "alarm",        "alarm-over",
	};

	return names[kind];
}

const char *attachment_state_name(enum attachment_state state)
{
	static const char *const names[] = {"active", "prepared", "probing", "down", "provisional"};

	return names[state];
}

const char *element_state_name(enum element_state state)
{
	static const char *const names[] = {"offline", "connecting", "synchronizing", "online"};

	return names[state];
}

const struct inventory *core_inventory(const struct core *c)
{
	return &c->inventory;
}

const struct core_config *core_get_config(const struct core *c)
{
	return &c->config;
}

uint64_t core_revision(const struct core *c)
{
	return c->revision;
}

static void fill_element(uint32_t id, struct element_view *ret)
{
	static const char *const nothing[] = {NULL};

	*ret = (struct element_view){.id = id,
				     .kind = "victor-fe",
				     .cannot = nothing,
				     .state = ELEMENT_ONLINE,
				     .port_count = 2};
	snprintf(ret->name, sizeof(ret->name), "fe%u", id);
	ret->flow_mods_sent = 10 * id;
}

void core_elements(const struct core *c, void (*each)(void *to, const struct element_view *),
		   void *to)
{
	for (uint32_t id = 1; id <= 3; id++) {
		struct element_view e;

		fill_element(id, &e);
		each(to, &e);
	}
}

int core_element_by_name(const struct core *c, const char *name, struct element_view *ret)
{
	if (strncmp(name, "fe", 2) != 0 || name[2] < '1' || name[2] > '3' || name[3])
		return -ENOENT;
	fill_element((uint32_t)(name[2] - '0'), ret);
	return 0;
}

void core_ports(const struct core *c, uint32_t fe, void (*each)(void *to, const struct port_view *),
		void *to)
{
	for (uint32_t number = 2; number <= 3; number++) {
		struct port_view p = {.number = number, .up = true};

		p.info.role = PORT_ACCESS;
		snprintf(p.name, sizeof(p.name), "port%u", number);
		each(to, &p);
	}
}

void core_nodes(const struct core *c, void (*each)(void *to, const struct node *), void *to)
{
	const struct node *n;
	uint64_t at = 0;

	while ((n = nodes_next(&c->inventory.nodes, &at)))
		each(to, n);
}

void core_attachments(const struct core *c, void (*each)(void *to, const struct attachment *),
		      void *to)
{
	for (unsigned i = 0; i < c->attachment_count; i++)
		each(to, &c->attachments[i]);
}

bool core_nodes_page(const struct core *c, size_t *at, unsigned count,
		     void (*each)(void *to, const struct node *), void *to)
{
	const struct node *n;

	for (; count && (n = nodes_next(&c->inventory.nodes, at)); count--)
		each(to, n);
	return count == 0;
}

bool core_attachments_page(const struct core *c, size_t *at, unsigned count,
			   void (*each)(void *to, const struct attachment *), void *to)
{
	for (; count && *at < c->attachment_count; count--)
		each(to, &c->attachments[(*at)++]);
	return count == 0;
}

const struct attachment *core_attachment(const struct core *c, const char *node)
{
	return find(c, node);
}

void core_exits(const struct core *c, void (*each)(void *to, const struct exit_view *), void *to)
{
	for (unsigned i = 0; i < c->inventory.prefix_count; i++)
		each(to,
		     &(struct exit_view){.prefix = &c->inventory.prefixes[i], .element = "fe1"});
}

void core_links(const struct core *c, void (*each)(void *to, const struct link_view *), void *to)
{
	for (unsigned i = 0; i < c->inventory.link_count; i++) {
		struct link_view l = {.cost = c->inventory.links[i].cost};

		memcpy(l.names, c->inventory.links[i].ends, sizeof(l.names));
		each(to, &l);
	}
}

void core_paths(const struct core *c, uint32_t from, uint32_t to,
		void (*each)(void *each_to, const struct path_view *), void *each_to)
{
	struct path_view p = {.kind = PATH_SECOND, .cost = 20, .count = 2, .fe = {from, to}};

	each(each_to, &p);
}

const char *path_kind_name(enum path_kind kind)
{
	return kind == PATH_SECOND ? "second" : "first";
}

void core_replace_links(struct core *c, const struct link *list, unsigned count, int64_t now_ms)
{
}

void core_refusals(const struct core *c, void (*each)(void *to, const struct refusal *), void *to)
{
	struct refusal r = {.why = "unknown-node", .who = "10.10.0.99", .fe = 2, .port = 3};

	r.count = 4;
	strcpy(r.text, "refused");
	each(to, &r);
}

void core_refusal_counts(const struct core *c,
			 void (*each)(void *to, const char *why, uint64_t count), void *to)
{
	each(to, "unknown-node", 4);
}

int core_add_site(struct core *c, const struct site *s, struct reason *why)
{
	return 0;
}

bool core_is_claimed(const struct core *c, const struct node *n)
{
	return false;
}

int core_release(struct core *c, const char *who, int64_t now_ms, char ret_id[NAME_SIZE],
		 struct reason *why)
{
	strcpy(ret_id, who);
	return strcmp(who, "10.10.0.99") == 0 ? 0 : reason_set(why, -ENOENT, "nobody has it");
}

void core_alarms(const struct core *c, void (*each)(void *to, const struct alarm *), void *to)
{
	struct alarm a = {.kind = "flapping", .who = "vm1", .text = "vm1: flapping"};

	each(to, &a);
}

void core_session_vouch(struct session *s, uint64_t datapath_id, const char *name)
{
}

void core_note_refusal(struct core *c, const char *why, const char *who, const char *element,
		       uint32_t port, const char *text, int64_t now_ms)
{
}

static void make_rules(struct rule rules[2], struct ofp_flow_stats list[2])
{
	memset(rules, 0, 2 * sizeof(*rules));
	memset(list, 0, 2 * sizeof(*list));
	rules[0].key.kind = RULE_LOCAL;
	must(address_parse("10.2.3.1", &rules[0].key.address));
	must(mac_parse("52:54:00:00:00:01", &rules[0].mac));
	rules[0].port = 2;
	rules[0].cookie = version_to_cookie((struct version){.term = 3, .sequence = 17});
	rules[1].key.kind = RULE_FOREIGN;
	must(address_parse("10.4.5.1", &rules[1].key.address));
	rules[1].fe = 3;
	list[0] = (struct ofp_flow_stats){.table = TABLE_BINDING, .priority = 200};
	list[0].packet_count = 5;
	list[1] = (struct ofp_flow_stats){.table = TABLE_BINDING, .priority = 100};
}

void fake_answer_rules(struct core *c)
{
	struct rule rules[2];
	struct ofp_flow_stats list[2];

	make_rules(rules, list);
	c->rules_done(c->rules_to, 0, list, rules, 2);
}

int core_read_rules(struct core *c, const char *element, int64_t now_ms,
		    void (*done)(void *to, int result, const struct ofp_flow_stats *list,
				 const struct rule *rules, size_t count),
		    void *to, struct reason *why)
{
	c->rules_done = done;
	c->rules_to = to;
	if (strcmp(element, "fe3") == 0)
		return reason_set(why, -ENOTCONN, "element 'fe3' is offline");
	if (!c->fake.hold_rules)
		fake_answer_rules(c);
	return 0;
}

int core_read_counters(struct core *c, const char *element, int64_t now_ms,
		       void (*done)(void *to, int result, const struct counter *list, size_t count,
				    const struct drop_count *drops, size_t drop_count),
		       void *to, struct reason *why)
{
	struct counter counter = {.ingress_fe = 1, .packets = 9, .bytes = 900};
	struct drop_count drops[] = {
		{.name = "no_binding", .packets = 2},
		{.name = "sent_too_big", .is_other = true, .packets = 3},
		{.name = "guard_gateway", .port = 2, .packets = 4},
	};

	must(address_parse("10.10.0.11", &counter.address));
	done(to, 0, &counter, 1, drops, 3);
	return 0;
}

int core_trace(const struct core *c, uint32_t vrf, const struct address *source,
	       const struct address *destination, const char *element,
	       struct trace_step steps[TRACE_STEPS_MAX], struct reason *why)
{
	snprintf(steps[0].element, NAME_SIZE, "%s", element ? element : "fe1");
	steps[0].table = TABLE_BINDING;
	snprintf(steps[0].reason, sizeof(steps[0].reason), "dropped: no binding");
	return 1;
}

int core_drain(struct core *c, const char *element, bool drains, int64_t now_ms, struct reason *why)
{
	return strcmp(element, "fe2") == 0 ? 0 : reason_set(why, -ENOENT, "no element");
}

int core_drain_view(const struct core *c, const char *element, struct drain_view *ret,
		    void (*each)(void *to, const struct attachment *stays), void *to)
{
	*ret = (struct drain_view){.draining = true, .border = true, .nodes = c->attachment_count};
	for (unsigned i = 0; i < c->attachment_count; i++)
		each(to, &c->attachments[i]);
	return 0;
}

bool core_is_missing(const struct core *c, const struct attachment *a)
{
	return false;
}

/* ---- registrations ---- */

const struct devices *core_devices(const struct core *c)
{
	return &c->devices;
}

int core_put_device(struct core *c, const struct device *d, int64_t now_ms, struct reason *why)
{
	if (!inventory_node(&c->inventory, d->node))
		return reason_set(why, -ENOENT, "no node");
	return devices_put(&c->devices, d, why);
}

int core_remove_device(struct core *c, const char *node, const char *name, int64_t now_ms,
		       struct reason *why)
{
	return devices_remove(&c->devices, node, name) ? 0 : reason_set(why, -ENOENT, "no device");
}

bool core_registration(const struct core *c, const char *node, struct registration_view *ret)
{
	*ret = (struct registration_view){.device = "phone", .known = true, .left_s = 42};
	return true;
}

struct registration_counts core_registration_counts(const struct core *c)
{
	return (struct registration_counts){.registered = 3};
}

void core_restore_registration(struct core *c, const char *node, const char *device,
			       uint32_t lifetime_s)
{
}
