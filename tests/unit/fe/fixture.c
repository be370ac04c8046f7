/* tests/unit/fe/fixture.h. */
#include "fixture.h"

#include "packet/neighbor.h"

#include <errno.h>
#include <stdio.h>

const struct mac gateway_mac = {{2, 0, 0x5e, 0, 0x53, 1}};

/* ---- the data plane: what the tests ask of it besides sim/memory_plane.h ---- */

static int64_t binding_idle_ms(void *context, uint32_t vrf, const struct address *address)
{
	return ((struct box *)context)->idle_ms;
}

static void counters(void *context, void (*add)(void *to, const struct counter *), void *to)
{
	for (unsigned i = 0; i < COUNTERS_PER_MESSAGE + 1; i++) {
		struct counter c = {.ingress_fe = i, .packets = i};

		add(to, &c);
	}
}

static void drops(void *context, void (*add)(void *to, const struct drop_count *), void *to)
{
	struct drop_count d = {"no_binding", .packets = 7};

	add(to, &d);
}

static void binding_count(void *context, uint32_t vrf, const struct address *address,
			  uint64_t *ret_packets, uint64_t *ret_bytes)
{
	*ret_packets = ((struct box *)context)->packets;
	*ret_bytes = *ret_packets * 100;
}

static int port_stats(void *context, uint32_t number, struct ofp_port_stats *ret)
{
	ret->rx_packets = number * 10;
	return 0;
}

static int transmit(void *context, uint32_t port, const void *frame, size_t size)
{
	struct box *box = context;
	struct sent_frame *f = &box->frames[box->frame_count++ % SENT_MAX];

	f->port = port;
	f->size = size;
	memcpy(f->data, frame, size < sizeof(f->data) ? size : sizeof(f->data));
	return 0;
}

static int link_transmit(void *context, uint32_t number, const void *packet, size_t size)
{
	return transmit(context, number, packet, size);
}

static void link_count(void *context, uint32_t number, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	*ret_packets = ((struct box *)context)->packets;
	*ret_bytes = *ret_packets * 100;
}

static int port_hold(void *context, uint32_t number, bool holds)
{
	struct box *box = context;

	if (number >= ARRAY_SIZE(box->holds))
		return -ENOENT;
	box->holds[number] = holds;
	return 0;
}

static int resume(void *context, const struct datapath_frame *frame)
{
	struct box *box = context;
	struct resumed_frame *f = &box->resumed[box->resumed_count++ % RESUMED_MAX];

	f->frame = *frame;
	memcpy(f->data, frame->data, frame->size < sizeof(f->data) ? frame->size : sizeof(f->data));
	f->frame.data = f->data;
	return 0;
}

static void drain_upcalls(void *context)
{
	struct box *box = context;

	if (!box->upcall_waits)
		return;
	box->upcall_waits = false;
	agent_upcall(box->agent, &box->waiting, box->now_ms);
}

static void use_operations(struct box *box)
{
	box->operations = memory_plane_ops;
	box->operations.binding_idle_ms = binding_idle_ms;
	box->operations.counters = counters;
	box->operations.drops = drops;
	box->operations.binding_count = binding_count;
	box->operations.port_stats = port_stats;
	box->operations.transmit = transmit;
	box->operations.link_transmit = link_transmit;
	box->operations.link_count = link_count;
	box->operations.port_hold = port_hold;
	box->operations.resume = resume;
	box->operations.drain_upcalls = drain_upcalls;
}

/* ---- the box ---- */

static void flush(void *context, struct agent_connection *connection)
{
	((struct box *)context)->flushes++;
}

static void drop(void *context, struct agent_connection *connection)
{
	((struct box *)context)->drops++;
}

void box_open(struct box *box)
{
	memset(box, 0, sizeof(*box));
	box->now_ms = 1000000;
	box->idle_ms = -1;
	use_operations(box);
	box->shell = (struct agent_shell){&box->operations, flush, drop, box};
	box->config = (struct agent_config){.name = "fe2", .id = 2, .binding_limit = 1000};
	memory_plane_init(&box->plane, 1);
	box->plane.binding_limit = 1000;
	box->agent = agent_create(&box->config, &box->shell, 7, box->now_ms);
	agent_adopt_done(box->agent, box->now_ms);
	for (uint32_t number = 2; number <= 4; number++)
		box_add_port(box, number, PORT_ACCESS);
	box_add_port(box, 1, PORT_EXTERNAL);
}

void box_close(struct box *box)
{
	agent_destroy(box->agent);
	memory_plane_finish(&box->plane);
}

void box_restart(struct box *box)
{
	agent_destroy(box->agent);
	box->agent = agent_create(&box->config, &box->shell, 8, box->now_ms);
	memory_plane_adopt(&box->plane, box->agent);
	for (uint32_t number = 1; number <= 4; number++)
		box_add_port(box, number, number == 1 ? PORT_EXTERNAL : PORT_ACCESS);
	agent_adopt_done(box->agent, box->now_ms);
}

void box_add_port(struct box *box, uint32_t number, enum port_role role)
{
	struct agent_port port = {
		.info = {.number = number, .role = (uint8_t)role, .mtu = 1500},
		.ifindex = number + 100,
		.mac = mac_of((uint8_t)(0xf0 + number)),
		.up = true,
	};

	snprintf(port.name, sizeof(port.name), "port%u", number);
	agent_port_set(box->agent, &port, box->now_ms);
}

void box_pass(struct box *box, int64_t ms)
{
	for (int64_t end = box->now_ms + ms; box->now_ms < end;) {
		box->now_ms += end - box->now_ms < 100 ? end - box->now_ms : 100;
		agent_tick(box->agent, box->now_ms);
		if (agent_next_us(box->agent) <= box->now_ms * 1000)
			agent_tick_links(box->agent, box->now_ms * 1000);
	}
}

const struct datapath_binding *box_binding(struct box *box, const char *address)
{
	struct address a = ip(address);

	return memory_plane_binding(&box->plane, 0, &a);
}

/* ---- controllers ---- */

struct controller controller_connect(struct box *box, bool is_controller)
{
	struct controller c = {box,
			       agent_connect(box->agent, "test", is_controller, NULL, box->now_ms)};
	struct buffer b = {0};

	ofp_hello_encode(&b, 1);
	controller_send(&c, &b);
	return c;
}

struct controller controller_join(struct box *box, uint64_t generation)
{
	struct controller c = controller_connect(box, true);
	struct ofp_role_message role = {OFPCR_MASTER, generation};
	struct buffer b = {0};

	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	ofp_role_encode(&b, OFPT_ROLE_REQUEST, 3, &role);
	controller_send(&c, &b);
	return c;
}

void controller_send(struct controller *c, struct buffer *b)
{
	agent_receive(c->connection, b->data, b->size, c->box->now_ms);
	buffer_finish(b);
}

static bool next(struct controller *c, struct message *ret)
{
	struct buffer *out = &agent_connection_channel(c->connection)->out;
	struct reader rd = reader_make(out->data, out->size);

	*ret = (struct message){0};
	if (ofp_header_decode(&rd, &ret->header) < 0)
		return false;
	assert_true(out->size >= ret->header.size);
	buffer_add_bytes(&ret->bytes, out->data, ret->header.size);
	buffer_drop_front(out, ret->header.size);
	ret->body =
		reader_make(ret->bytes.data + OFP_HEADER_SIZE, ret->header.size - OFP_HEADER_SIZE);
	return true;
}

void message_free(struct message *m)
{
	buffer_finish(&m->bytes);
}

struct message controller_next(struct controller *c)
{
	struct message m;

	assert_true(next(c, &m));
	return m;
}

struct message controller_expect(struct controller *c, enum ofp_type type)
{
	struct message m = controller_next(c);

	while (m.header.type != type) {
		message_free(&m);
		m = controller_next(c);
	}
	return m;
}

bool controller_has(struct controller *c, enum ofp_type type)
{
	struct buffer *out = &agent_connection_channel(c->connection)->out;
	struct reader rd = reader_make(out->data, out->size);
	struct ofp_header header;

	while (ofp_header_decode(&rd, &header) == 0) {
		if (header.type == type)
			return true;
		read_skip(&rd, header.size - OFP_HEADER_SIZE);
	}
	return false;
}

void controller_drain(struct controller *c)
{
	buffer_clear(&agent_connection_channel(c->connection)->out);
}

int controller_result(struct controller *c)
{
	struct buffer b = {0};
	struct message m;
	int result = 0;

	ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, 4711);
	controller_send(c, &b);
	for (;;) {
		uint8_t type;

		m = controller_next(c);
		type = m.header.type;
		if (type == OFPT_ERROR) {
			struct ofp_error e;

			assert_int_equal(ofp_error_decode(&m.body, &e), 0);
			result = e.result;
		}
		message_free(&m);
		if (type == OFPT_BARRIER_REPLY)
			return result;
	}
}

int controller_flow_mod(struct controller *c, const struct ofp_flow_mod *f)
{
	struct buffer b = {0};

	ofp_flow_mod_encode(&b, 5, f);
	controller_send(c, &b);
	return controller_result(c);
}

int controller_add(struct controller *c, const struct rule *rule)
{
	struct ofp_flow_mod f;

	rule_to_flow_mod(rule, OFPFC_ADD, &f);
	return controller_flow_mod(c, &f);
}

int controller_remove(struct controller *c, const struct rule *rule)
{
	struct ofp_flow_mod f;

	rule_to_flow_mod(rule, OFPFC_DELETE_STRICT, &f);
	return controller_flow_mod(c, &f);
}

int controller_group_mod(struct controller *c, const struct ofp_group_mod *m)
{
	struct buffer b = {0};

	ofp_group_mod_encode(&b, 6, m);
	controller_send(c, &b);
	return controller_result(c);
}

int controller_add_group(struct controller *c, uint32_t fe, enum ofp_group_mod_command command)
{
	struct rule_group g = {.fe = fe};
	struct ofp_group_mod m;

	g.address = address_from_ipv4((uint8_t[]){172, 16, (uint8_t)fe, 2});
	g.redirect = address_from_ipv4((uint8_t[]){172, 16, (uint8_t)fe, 3});
	rule_group_to_group_mod(&g, command, &m);
	return controller_group_mod(c, &m);
}

/* ---- rules and frames ---- */

struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

struct mac mac_of(uint8_t last)
{
	return (struct mac){{2, 0, 0, 0, 0, last}};
}

static uint8_t last_byte(const char *address)
{
	return ip(address).bytes[15];
}

struct rule rule_local(const char *address, uint32_t port)
{
	return (struct rule){
		.key = {.kind = RULE_LOCAL, .address = ip(address)},
		.cookie = 0x1000000007,
		.port = port,
		.mac = mac_of(last_byte(address)),
		.gateway_mac = gateway_mac,
	};
}

struct rule rule_guard(const char *address, uint32_t port)
{
	return (struct rule){
		.key = {.kind = RULE_GUARD,
			.address = ip(address),
			.port = port,
			.mac = mac_of(last_byte(address))},
		.cookie = 0x1000000007,
	};
}

struct rule rule_foreign(const char *address, uint32_t fe)
{
	return (struct rule){.key = {.kind = RULE_FOREIGN, .address = ip(address)},
			     .cookie = 0x1000000008,
			     .fe = fe};
}

struct rule rule_prefix(enum rule_kind kind, const char *prefix)
{
	struct prefix p;
	struct rule r = {.key = {.kind = (uint8_t)kind}};

	assert_int_equal(prefix_parse(prefix, &p), 0);
	r.key.address = p.address;
	r.key.length = p.length;
	if (kind == RULE_ANSWER)
		r.mac = gateway_mac;
	return r;
}

struct rule rule_admit(uint32_t port)
{
	return (struct rule){.key = {.kind = RULE_ADMIT, .port = port},
			     .fe = 2,
			     .next_table = port == 1 ? TABLE_BINDING : TABLE_GUARD};
}

struct rule rule_listen(uint32_t port, uint16_t ethertype)
{
	return (struct rule){.key = {.kind = RULE_LISTEN, .port = port, .ethertype = ethertype},
			     .cookie = 99};
}

void controller_prepare(struct controller *c, uint32_t port)
{
	const struct rule rules[] = {
		rule_admit(port),
		rule_listen(port, ETHERTYPE_ARP_),
		rule_listen(port, ETHERTYPE_RARP_),
		rule_prefix(RULE_COVERED, "10.10.0.0/16"),
		rule_prefix(RULE_STRANGER, "10.10.0.0/16"),
		rule_prefix(RULE_ANSWER, "10.10.0.1"),
		rule_prefix(RULE_ANSWER, "10.10.0.0/16"),
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		assert_int_equal(controller_add(c, &rules[i]), 0);
}

size_t build_announcement(uint8_t *frame, const char *address, uint8_t last)
{
	struct address a = ip(address);
	struct mac m = mac_of(last);
	struct buffer b = {0};
	size_t size;

	neighbor_build_announcement(&b, 0, &m, &a);
	size = b.size;
	memcpy(frame, b.data, size);
	buffer_finish(&b);
	return size;
}

void box_announce(struct box *box, uint32_t port, const char *address, uint8_t last)
{
	uint8_t frame[NEIGHBOR_FRAME_SIZE];
	size_t size = build_announcement(frame, address, last);
	struct upcall u = {.reason = UPCALL_NEIGHBOR,
			   .port = port,
			   .frame = frame,
			   .size = size,
			   .wire_size = size};

	agent_upcall(box->agent, &u, box->now_ms);
}
