/* A forwarding element of the tests: speaks real OpenFlow bytes to the core, keeps the flows it is
 * told, and answers barriers only when the test says so. */
#include "fake_element.h"

#include "base/memory.h"

#include <stdio.h>

struct fake *fake_of(struct world *w, uint32_t fe)
{
	for (unsigned i = 0; i < w->fake_count; i++)
		if (w->fakes[i].id == fe)
			return &w->fakes[i];
	abort();
}

struct fake_port *fake_port(struct world *w, uint32_t fe, uint32_t port)
{
	struct fake *f = fake_of(w, fe);

	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].number == port)
			return &f->ports[i];
	abort();
}

struct world_log *fake_note(struct fake *f)
{
	struct world_log *l = &f->world->log[f->world->log_count];

	if (f->world->log_count < LOG_MAX - 1)
		f->world->log_count++;
	*l = (struct world_log){.fe = f->id};
	return l;
}

/* --- the FE's side of the messages ------------------------------------------------------------ */

static void describe(const struct fake *f, const struct fake_port *p, struct ofp_port *ret)
{
	*ret = (struct ofp_port){.number = p->number, .state = p->up ? 0 : OFPPS_LINK_DOWN};
	ret->state |= p->blocked ? OFPPS_BLOCKED : 0;
	ret->mac = (struct mac){{0x02, 0xfe, 0, 0, (uint8_t)f->id, (uint8_t)p->number}};
	snprintf(ret->name, sizeof(ret->name), "port%u", p->number);
}

static void tell_port(struct fake *f, const struct fake_port *p, enum ofp_port_reason reason)
{
	struct ofp_port_status status = {.reason = (uint8_t)reason};
	struct port_info info = {.number = p->number,
				 .role = p->role,
				 .mtu = 1500,
				 .segment = p->segment,
				 .link = p->link};

	if (p->identity)
		snprintf(info.identity, sizeof(info.identity), "%s", p->identity);
	if (reason != OFPPR_DELETE && !f->is_switch)
		port_info_encode(&f->channel.out, 0, &info);
	describe(f, p, &status.port);
	ofp_port_status_encode(&f->channel.out, 0, &status);
}

static void introduce(struct fake *f, uint32_t xid)
{
	struct ofp_features features = {.datapath_id = f->id, .table_count = TABLE_COUNT};
	struct element_info info = {.software = "fake 1",
				    .backplane.pair[FAMILY_IPV4].address = f->backplane,
				    .backplane_mtu = 1500,
				    .encapsulations = ENCAPSULATION_IPIP};

	snprintf(info.name, sizeof(info.name), "%s", f->name);
	ofp_features_encode(&f->channel.out, xid, &features);
	if (!f->name[0] || f->is_switch)
		return; /* some other switch */
	element_info_encode(&f->channel.out, 0, &info);
	for (unsigned i = 0; i < f->port_count; i++)
		tell_port(f, &f->ports[i], OFPPR_ADD);
}

void fake_tell_rule(struct fake *f, struct ofp_multipart_writer *w, const struct rule *rule)
{
	static struct ofp_flow_stats flow;

	memset(&flow, 0, sizeof(flow));
	flow.packet_count = f->packets;
	rule_to_flow_stats(rule, &flow);
	ofp_flow_stats_add(w, &flow);
	f->rules_told++;
}

static void answer_multipart(struct fake *f, uint32_t xid, uint16_t type)
{
	struct ofp_multipart_writer w;
	size_t at = 0;
	void *value;

	ofp_multipart_begin(&w, &f->channel.out, xid, type);
	for (unsigned i = 0; type == OFPMP_PORT_DESC && i < f->port_count; i++) {
		struct ofp_port port;

		describe(f, &f->ports[i], &port);
		ofp_port_desc_add(&w, &port);
	}
	while (type == OFPMP_GROUP_DESC && table_next(&f->groups, &at, NULL, &value)) {
		static struct ofp_group_mod mod;

		rule_group_to_group_mod(value, OFPGC_ADD, &mod);
		ofp_group_desc_add(&w, &mod);
	}
	while (type == OFPMP_FLOW && table_next(&f->rules, &at, NULL, &value))
		fake_tell_rule(f, &w, value);
	ofp_multipart_end(&w);
}

static int do_flow_mod(struct fake *f, struct reader *body)
{
	static struct ofp_flow_mod mod;
	struct world_log *l = fake_note(f);
	struct rule rule = {0};
	int r = ofp_flow_mod_decode(body, &mod);

	assert_int_equal(r, 0);
	f->flow_mods++;
	if (f->refuse)
		return f->refuse;
	if (mod.command == OFPFC_DELETE_STRICT) {
		assert_int_equal(
			rule_key_from_match(mod.table, mod.priority, &mod.match, &rule.key), 0);
		(void)table_remove(&f->rules, &rule.key);
		l->what = LOG_DELETE;
	} else {
		assert_int_equal(mod.command, OFPFC_ADD);
		assert_int_equal(rule_from_flow_mod(&mod, &rule), 0);
		if (rule.key.kind == RULE_FOREIGN || (rule_is_way_out(rule.key.kind) && rule.fe))
			assert_non_null(table_get(&f->groups, &rule.fe));
		*(struct rule *)table_put(&f->rules, &rule.key, NULL) = rule;
		l->what = LOG_PUT;
	}
	l->rule = rule;
	return 0;
}

static int do_group_mod(struct fake *f, struct reader *body)
{
	static struct ofp_group_mod mod;
	struct rule_group group;

	assert_int_equal(ofp_group_mod_decode(body, &mod), 0);
	f->group_mods++;
	fake_note(f)->what = LOG_GROUP;
	if (mod.command == OFPGC_DELETE) {
		(void)table_remove(&f->groups, &mod.group);
		return 0;
	}
	assert_int_equal(rule_group_from_group_mod(&mod, &group), 0);
	assert_int_equal(mod.command == OFPGC_MODIFY, table_get(&f->groups, &group.fe) != NULL);
	*(struct rule_group *)table_put(&f->groups, &group.fe, NULL) = group;
	return 0;
}

static void send_packet_in(struct fake *f, uint32_t port, const struct buffer *frame)
{
	struct ofp_packet_in packet = {.buffer_id = OFP_NO_BUFFER,
				       .total_size = (uint16_t)frame->size,
				       .reason = OFPR_ACTION,
				       .data = frame->data,
				       .data_size = frame->size};

	if (f->ttl_over)
		packet.reason = OFPR_INVALID_TTL;
	if (f->too_big)
		packet.table = TABLE_NEIGHBOR;
	ofp_match_set(&packet.match, OFP_FIELD_IN_PORT, port);
	ofp_packet_in_encode(&f->channel.out, 0, &packet);
}

static void build_arp(struct buffer *b, uint16_t ethertype, uint16_t operation,
		      const struct mac *sender, const struct address *from,
		      const struct mac *target, const struct address *to)
{
	static const uint8_t zero[4];

	buffer_add_bytes(b, target->bytes, 6);
	buffer_add_bytes(b, sender->bytes, 6);
	write_u16(b, ethertype);
	write_u16(b, 1);
	write_u16(b, 0x0800);
	write_u16(b, 0x0604);
	write_u16(b, operation);
	buffer_add_bytes(b, sender->bytes, 6);
	buffer_add_bytes(b, from ? address_ipv4(from) : zero, 4);
	buffer_add_bytes(b, target->bytes, 6);
	buffer_add_bytes(b, to ? address_ipv4(to) : zero, 4);
	write_zeros(b, 18);
}

static void do_packet_out(struct fake *f, struct reader *body)
{
	struct ofp_packet_out packet;
	struct world_log *l = fake_note(f);
	struct neighbor probe;
	struct fake_port *p;

	assert_int_equal(ofp_packet_out_decode(body, &packet), 0);
	assert_int_equal(packet.actions.count, 1);
	if (packet.actions.list[0].type == OFP_ACTION_GROUP) {
		assert_non_null(table_get(&f->groups, &packet.actions.list[0].group));
		return;
	}
	if (packet.data_size > 13 && packet.data[12] == 8 && packet.data[13] == 0) {
		f->ip_frames++;
		if (f->world->answered)
			f->world->answered(f->world, f->id, packet.actions.list[0].output.port,
					   packet.data, packet.data_size);
		return;
	}
	l->what = LOG_PACKET_OUT;
	l->port = packet.actions.list[0].output.port;
	p = fake_port(f->world, f->id, l->port);
	if (p->role == PORT_BACKPLANE) {
		if (f->world->sent)
			f->world->sent(f->world, f->id, l->port, packet.data, packet.data_size);
		return;
	}
	if (packet.data_size > 54 && packet.data[12] == 0x86 && packet.data[54] == 134)
		return; /* a router advertisement */
	assert_int_equal(neighbor_parse(packet.data, packet.data_size, &probe), 0);
	if (p->up &&
	    ((!mac_is_zero(&p->answers) && mac_equal(&probe.ethernet_destination, &p->answers)) ||
	     (f->world->answers &&
	      f->world->answers(f->world, f->id, l->port, &probe.ethernet_destination)))) {
		struct buffer reply = {0};

		build_arp(&reply, 0x0806, 2, &probe.ethernet_destination, &probe.target,
			  &probe.sender_mac, &probe.sender);
		send_packet_in(f, p->number, &reply);
		buffer_finish(&reply);
	}
}

static void do_role(struct fake *f, uint32_t xid, struct reader *body)
{
	struct ofp_role_message role;

	assert_int_equal(ofp_role_decode(body, &role), 0);
	if (role.role == OFPCR_MASTER) {
		assert_true(f->generation == UINT64_MAX || role.generation_id >= f->generation);
		f->generation = role.generation_id;
		f->has_master = true;
	}
	role.generation_id = f->generation;
	ofp_role_encode(&f->channel.out, OFPT_ROLE_REPLY, xid, &role);
	if (f->has_master) {
		buffer_add_bytes(&f->channel.out, f->kept.data, f->kept.size);
		buffer_clear(&f->kept);
	}
}

static void on_up(void *context)
{
}

static int on_message(void *context, const struct ofp_header *h, struct reader *body)
{
	struct fake *f = context;
	struct ofp_multipart m;

	switch (h->type) {
	case OFPT_FEATURES_REQUEST:
		introduce(f, h->xid);
		return 0;
	case OFPT_SET_CONFIG:
		return 0;
	case OFPT_SET_ASYNC:
		assert_true(f->is_switch);
		return 0;
	case OFPT_ROLE_REQUEST:
		do_role(f, h->xid, body);
		return 0;
	case OFPT_MULTIPART_REQUEST:
		assert_int_equal(ofp_multipart_decode(body, &m), 0);
		answer_multipart(f, h->xid, m.type);
		return 0;
	case OFPT_FLOW_MOD:
		return do_flow_mod(f, body);
	case OFPT_GROUP_MOD:
		return do_group_mod(f, body);
	case OFPT_BARRIER_REQUEST:
		fake_note(f)->what = LOG_BARRIER;
		ofp_empty_encode(f->slow ? &f->owed : &f->channel.out, OFPT_BARRIER_REPLY, h->xid);
		return 0;
	case OFPT_PACKET_OUT:
		do_packet_out(f, body);
		return 0;
	case OFPT_EXPERIMENTER:
		assert_false(f->is_switch);
		return fake_experimenter(f, h->xid, body);
	case OFPT_ERROR:
		f->errors++;
		return 0;
	default:
		fail_msg("the controller sent %s", ofp_type_name(h->type));
		return 0;
	}
}

const struct channel_ops fake_ops = {on_up, on_message};

/* --- what happens at the FEs ---------------------------------------------------------------------
 */

void fake_port_up(struct world *w, uint32_t fe, uint32_t port, bool up)
{
	struct fake_port *p = fake_port(w, fe, port);

	p->up = up;
	tell_port(fake_of(w, fe), p, OFPPR_MODIFY);
}

void fake_port_gone(struct world *w, uint32_t fe, uint32_t port)
{
	struct fake *f = fake_of(w, fe);
	struct fake_port *p = fake_port(w, fe, port);

	tell_port(f, p, OFPPR_DELETE);
	*p = f->ports[--f->port_count];
}

const struct rule_group *fake_group(struct world *w, uint32_t fe, uint32_t towards)
{
	return table_get(&fake_of(w, fe)->groups, &towards);
}

void fake_replies(struct world *w, uint32_t fe)
{
	struct fake *f = fake_of(w, fe);

	buffer_add_bytes(&f->channel.out, f->owed.data, f->owed.size);
	buffer_clear(&f->owed);
	f->slow = false;
}

void fake_frame(struct world *w, uint32_t fe, uint32_t port, const struct buffer *frame)
{
	send_packet_in(fake_of(w, fe), port, frame);
}

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void fake_announces(struct world *w, uint32_t fe, uint32_t port, const char *mac,
		    const char *address)
{
	struct buffer frame = {0};
	struct mac m = a_mac(mac);
	struct address a = an_address(address);

	neighbor_build_announcement(&frame, 0, &m, &a);
	send_packet_in(fake_of(w, fe), port, &frame);
	buffer_finish(&frame);
}

void fake_rarp(struct world *w, uint32_t fe, uint32_t port, const char *mac)
{
	struct buffer frame = {0};
	struct mac m = a_mac(mac);

	build_arp(&frame, 0x8035, 3, &m, NULL, &broadcast, NULL);
	send_packet_in(fake_of(w, fe), port, &frame);
	buffer_finish(&frame);
}

void fake_probe(struct world *w, uint32_t fe, uint32_t port, const char *mac, const char *address)
{
	struct buffer frame = {0};
	struct mac m = a_mac(mac);
	struct address a = an_address(address);

	build_arp(&frame, 0x0806, 1, &m, NULL, &broadcast, &a);
	send_packet_in(fake_of(w, fe), port, &frame);
	buffer_finish(&frame);
}

void fake_data(struct world *w, uint32_t fe, uint32_t port, const char *mac, const char *address)
{
	struct buffer frame = {0};
	struct mac m = a_mac(mac);
	struct address a = an_address(address);

	buffer_add_bytes(&frame, w->config.gateway_mac.bytes, 6);
	buffer_add_bytes(&frame, m.bytes, 6);
	write_u16(&frame, 0x0800);
	write_u16(&frame, 0x4500);
	write_u16(&frame, 56);
	write_zeros(&frame, 8);
	buffer_add_bytes(&frame, address_ipv4(&a), 4);
	write_zeros(&frame, 40);
	send_packet_in(fake_of(w, fe), port, &frame);
	buffer_finish(&frame);
}

void fake_replay(struct world *w, uint32_t fe, uint32_t port, const char *mac, const char *address)
{
	struct buffer frame = {0};
	struct mac m = a_mac(mac);
	struct address a = an_address(address);
	struct replay replay = {.port = port, .age_ms = 5000};
	struct fake *f = fake_of(w, fe);

	neighbor_build_announcement(&frame, 0, &m, &a);
	replay.data = frame.data;
	replay.data_size = frame.size;
	replay_encode(f->has_master ? &f->channel.out : &f->kept, 0, &replay);
	buffer_finish(&frame);
}

void fake_silent(struct world *w, uint32_t fe, const char *node)
{
	const struct attachment *a = core_attachment(w->core, node);
	struct silent silent = {.idle_ms = 33000};

	assert_non_null(a);
	silent.address = inventory_node(core_inventory(w->core), node)->addresses[0];
	silent.port = a->place.port;
	silent.cookie = version_to_cookie(a->version);
	silent_encode(&fake_of(w, fe)->channel.out, 0, &silent);
}

const struct rule *fake_rule(struct world *w, uint32_t fe, enum rule_kind kind, const char *address)
{
	struct address a = address ? an_address(address) : (struct address){{0}};
	size_t at = 0;
	void *value;

	while (table_next(&fake_of(w, fe)->rules, &at, NULL, &value)) {
		const struct rule *rule = value;

		if (rule->key.kind == kind && address_equal(&rule->key.address, &a))
			return rule;
	}
	return NULL;
}
