/* controller/session: two elements that say anything, to a controller that compares in slices.  The
 * input is a row of deeds: an answer as an element would give it, or any bytes in its place, with
 * the right xid; rules and claims of nodes; time; connections that break. */
#include "base/log.h"
#include "base/memory.h"
#include "controller/core.h"
#include "controller/planner.h"
#include "packet/neighbor.h"
#include "pipeline/experimenter.h"
#include "pipeline/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 6
#define ASKED_MAX 64
#define DEEDS_MAX 64 /* of an input: longer ones find no more, and take long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asked {
	uint32_t xid;
	uint16_t what; /* of a MULTIPART_REQUEST: which; of an EXPERIMENTER: its type */
	uint8_t type;
	uint8_t bits; /* of sums */
};

struct fuzzed {
	struct session *session;
	uint32_t id;
	struct asked asked[ASKED_MAX];
	unsigned asked_count;
};

struct fuzz {
	struct core *core;
	struct fuzzed elements[2];
	struct reader rd;
	int64_t now_ms;
};

/* ---- the controller's shell ---- */

static void note(struct fuzzed *e, const struct ofp_header *h, struct reader *body)
{
	struct asked a = {.xid = h->xid, .type = h->type};
	enum experimenter_type type;

	if (h->type == OFPT_MULTIPART_REQUEST) {
		a.what = read_u16(body);
	} else if (h->type == OFPT_EXPERIMENTER && !experimenter_decode(body, &type)) {
		a.what = (uint16_t)type;
		a.bits = read_u8(body);
	}
	if (e->asked_count < ASKED_MAX)
		e->asked[e->asked_count++] = a;
}

static bool is_question(uint8_t type)
{
	return type == OFPT_FEATURES_REQUEST || type == OFPT_ROLE_REQUEST ||
	       type == OFPT_MULTIPART_REQUEST || type == OFPT_BARRIER_REQUEST ||
	       type == OFPT_EXPERIMENTER;
}

static void on_flush(void *context, struct session *s)
{
	struct buffer *out = &session_channel(s)->out;
	struct reader rd = reader_make(out->data, out->size);
	struct fuzzed *e = session_handle(s);

	while (reader_left(&rd)) {
		struct ofp_header h;
		struct reader body;

		if (ofp_header_decode(&rd, &h))
			abort(); /* what we say ourselves */
		body = read_sub(&rd, h.size - (size_t)OFP_HEADER_SIZE);
		if (is_question(h.type))
			note(e, &h, &body);
	}
	buffer_clear(out);
}

static void on_drop(void *context, struct session *s)
{
	struct fuzzed *e = session_handle(s);

	e->session = NULL;
}

static void on_event(void *context, const struct event *e)
{
}
static void on_keep(void *context, const struct attachment *a)
{
}
static void on_forget(void *context, const char *node)
{
}
static size_t unsent(void *context, const struct session *s)
{
	return 0;
}

/* ---- what elements say ---- */

static void say(struct fuzz *f, struct fuzzed *e, struct buffer *b)
{
	if (e->session)
		core_session_receive(e->session, b->data, b->size, f->now_ms);
	buffer_finish(b);
}

static void connect(struct fuzz *f, struct fuzzed *e)
{
	struct buffer b = {0};

	if (e->session)
		core_session_close(e->session, "reset", f->now_ms);
	e->asked_count = 0;
	e->session = core_session_open(f->core, "fuzz", e, f->now_ms);
	ofp_hello_encode(&b, 1);
	say(f, e, &b);
}

static void introduce(const struct fuzzed *e, struct buffer *b, uint32_t xid)
{
	struct ofp_features features = {.datapath_id = e->id, .table_count = TABLE_COUNT};
	struct element_info info = {.backplane.pair[FAMILY_IPV4].address =
					    {{[10] = 255, 255, 192, 0, 2, (uint8_t)e->id}},
				    .backplane_mtu = 1500,
				    .encapsulations = ENCAPSULATION_IPIP};

	snprintf(info.name, sizeof(info.name), "FE%u", e->id);
	ofp_features_encode(b, xid, &features);
	element_info_encode(b, 0, &info);
	for (uint32_t number = 1; number <= 3; number++) {
		struct port_info port = {.number = number,
					 .role = number == 3 ? PORT_EXTERNAL : PORT_ACCESS,
					 .mtu = 1500,
					 .segment = number == 2 ? 7 : 0};

		port_info_encode(b, 0, &port);
	}
}

static struct address an_address(unsigned i)
{
	return (struct address){{[10] = 255, 255, 10, 10, 0, (uint8_t)i}};
}

static struct mac a_mac(unsigned i)
{
	return (struct mac){{0x52, 0x54, 0, 0, 0, (uint8_t)i}};
}

/* One that may be right, or nearly. */
static struct rule a_rule(struct fuzz *f)
{
	static const uint8_t kinds[] = {RULE_LOCAL, RULE_FOREIGN, RULE_GUARD, RULE_COVERED};
	unsigned i = read_u8(&f->rd) % (NODES + 2), which = read_u8(&f->rd);
	struct rule rule = {.key = {.kind = kinds[which % 4], .address = an_address(i)},
			    .fe = which / 4 % 4,
			    .port = which / 16 % 4,
			    .mac = a_mac(i)};

	if (rule.key.kind == RULE_GUARD) {
		rule.key.port = rule.port;
		rule.key.mac = rule.mac;
	}
	rule.cookie = version_to_cookie((struct version){1, read_u8(&f->rd), read_u8(&f->rd)});
	return rule;
}

static void tell_rules(struct fuzz *f, struct buffer *b, uint32_t xid)
{
	static struct ofp_flow_stats flow;
	struct ofp_multipart_writer w;

	ofp_multipart_begin(&w, b, xid, OFPMP_FLOW);
	for (unsigned left = read_u8(&f->rd) % 8; left; left--) {
		const struct rule rule = a_rule(f);

		memset(&flow, 0, sizeof(flow));
		rule_to_flow_stats(&rule, &flow);
		ofp_flow_stats_add(&w, &flow);
	}
	ofp_multipart_end(&w);
}

static void tell_ports(const struct fuzzed *e, struct ofp_multipart_writer *w)
{
	for (uint32_t number = 1; number <= 3; number++) {
		struct ofp_port port = {.number = number,
					.mac = {{2, 0xfe, 0, 0, (uint8_t)e->id, (uint8_t)number}}};

		snprintf(port.name, sizeof(port.name), "port%u", number);
		ofp_port_desc_add(w, &port);
	}
}

static void tell_sums(struct fuzz *f, struct buffer *b, const struct asked *a)
{
	static struct summary_bucket buckets[SUMMARY_BUCKETS_MAX];
	uint8_t bits = a->bits <= SUMMARY_BITS_MAX ? a->bits : SUMMARY_BITS_MIN;

	memset(buckets, 0, sizeof(buckets));
	for (unsigned i = 0; i < 8; i++) {
		buckets[i].count = read_u8(&f->rd);
		buckets[i].sum = buckets[i].count;
	}
	summary_reply_encode(b, a->xid, bits, buckets);
}

static void answer_multipart(struct fuzz *f, const struct fuzzed *e, const struct asked *a,
			     struct buffer *b)
{
	struct ofp_multipart_writer w;

	if (a->what == OFPMP_FLOW) {
		tell_rules(f, b, a->xid);
		return;
	}
	ofp_multipart_begin(&w, b, a->xid, a->what);
	if (a->what == OFPMP_PORT_DESC)
		tell_ports(e, &w);
	ofp_multipart_end(&w);
}

static void answer(struct fuzz *f, struct fuzzed *e)
{
	struct ofp_role_message role = {.role = OFPCR_MASTER, .generation_id = UINT64_MAX};
	struct buffer b = {0};
	struct asked a;

	if (!e->asked_count)
		return;
	a = e->asked[0];
	memmove(e->asked, e->asked + 1, --e->asked_count * sizeof(a));
	if (a.type == OFPT_FEATURES_REQUEST)
		introduce(e, &b, a.xid);
	else if (a.type == OFPT_ROLE_REQUEST)
		ofp_role_encode(&b, OFPT_ROLE_REPLY, a.xid, &role);
	else if (a.type == OFPT_BARRIER_REQUEST)
		ofp_empty_encode(&b, OFPT_BARRIER_REPLY, a.xid);
	else if (a.type == OFPT_MULTIPART_REQUEST)
		answer_multipart(f, e, &a, &b);
	else if (a.what == EXPERIMENTER_LINKS_REQUEST)
		links_reply_encode(&b, a.xid, NULL, NULL, 0, false);
	else if (a.what == EXPERIMENTER_SUMMARY_REQUEST)
		tell_sums(f, &b, &a);
	else if (a.what == EXPERIMENTER_SUMMARY_RULES)
		tell_rules(f, &b, a.xid);
	say(f, e, &b);
}

/* With the xid of what was asked first, as if it were the answer. */
static void say_anything(struct fuzz *f, struct fuzzed *e, bool experimenter)
{
	uint8_t type = read_u8(&f->rd), count = read_u8(&f->rd);
	size_t size = count < reader_left(&f->rd) ? count : reader_left(&f->rd);
	struct reader body = read_sub(&f->rd, size);
	struct buffer b = {0};

	write_u8(&b, OFP_VERSION);
	write_u8(&b, experimenter ? OFPT_EXPERIMENTER : type);
	write_u16(&b, (uint16_t)(OFP_HEADER_SIZE + (experimenter ? 8 : 0) + size));
	write_u32(&b, e->asked_count ? e->asked[0].xid : 1);
	if (experimenter) {
		write_u32(&b, VICTOR_EXPERIMENTER);
		write_u32(&b, type % EXPERIMENTER_TYPE_END);
	}
	buffer_add_bytes(&b, body.at, size);
	say(f, e, &b);
}

static void claim(struct fuzz *f, struct fuzzed *e)
{
	unsigned i = read_u8(&f->rd) % (NODES + 2), which = read_u8(&f->rd);
	struct mac gateway = {{2, 0, 0, 0, 0, 1}}, mac = a_mac(i);
	struct address address = an_address(i);
	struct ofp_packet_in packet = {.buffer_id = OFP_NO_BUFFER, .reason = OFPR_ACTION};
	struct buffer b = {0}, frame = {0};

	if (which & 4)
		neighbor_build_probe(&frame, 0, &mac, &address, &gateway, &address);
	else
		neighbor_build_announcement(&frame, 0, &mac, &address);
	packet.total_size = (uint16_t)frame.size;
	packet.data = frame.data;
	packet.data_size = frame.size;
	ofp_match_set(&packet.match, OFP_FIELD_IN_PORT, which % 4);
	ofp_packet_in_encode(&b, 0, &packet);
	buffer_finish(&frame);
	say(f, e, &b);
}

static void pass_time(struct fuzz *f)
{
	for (unsigned left = read_u8(&f->rd) % 8; left; left--) {
		f->now_ms += left == 7 ? 11000 : 50;
		core_tick(f->core, f->now_ms);
		(void)core_compare(f->core);
	}
}

static void people(struct fuzz *f)
{
	unsigned what = read_u8(&f->rd), i = read_u8(&f->rd) % NODES;
	struct reason why;
	char id[8];

	snprintf(id, sizeof(id), "n%u", i);
	if (what % 4 == 0)
		(void)core_prepare_move(f->core, id, what & 4 ? "FE2" : "FE3", "port1", 0,
					f->now_ms, &why);
	else if (what % 4 == 1)
		(void)core_detach_node(f->core, id, f->now_ms, &why);
	else if (what % 4 == 2)
		(void)core_remove_node(f->core, id, f->now_ms, &why);
	else
		(void)core_drain(f->core, what & 4 ? "FE2" : "FE3", what & 8, f->now_ms, &why);
}

static void do_one(struct fuzz *f)
{
	uint8_t deed = read_u8(&f->rd);
	struct fuzzed *e = &f->elements[deed >> 3 & 1];

	switch (deed & 7) {
	case 0:
	case 1:
		for (unsigned left = 1u + (deed >> 4); left; left--)
			answer(f, e);
		return;
	case 2:
		say_anything(f, e, false);
		return;
	case 3:
		say_anything(f, e, true);
		return;
	case 4:
		claim(f, e);
		return;
	case 5:
		pass_time(f);
		return;
	case 6:
		connect(f, e);
		return;
	default:
		people(f);
	}
}

/* ---- the world ---- */

static void add_node(struct fuzz *f, unsigned i)
{
	struct attachment a = {.state = ATTACHMENT_ACTIVE,
			       .place = {2 + i % 2, 1 + i % 2, 0, a_mac(i)},
			       .version = {1, 1, 1 + i},
			       .element_version = {1, 1, 1 + i}};
	struct node_spec n = {.mobile = true, .address_count = 1, .mac = a_mac(i)};
	struct reason why;

	snprintf(n.id, sizeof(n.id), "n%u", i);
	n.addresses[0] = an_address(i);
	a.node = n.id;
	if (i < NODES / 2)
		core_restore_attachment(f->core, &a);
	if (core_put_node(f->core, &n, f->now_ms, &why) < 0)
		abort();
}

static void start(struct fuzz *f)
{
	const struct core_config config = {.name = "cc",
					   .admission = ADMISSION_STRICT,
					   .shard = 1,
					   .slice = 2,
					   .gateway_mac = {{2, 0, 0, 0, 0, 1}}};
	const struct core_shell shell = {.flush = on_flush,
					 .drop = on_drop,
					 .event = on_event,
					 .keep_attachment = on_keep,
					 .forget_attachment = on_forget,
					 .context = f,
					 .unsent = unsent};
	struct covered_prefix p = {.mobile = true};
	struct reason why;

	log_set_level(LOG_LEVEL_ERROR);
	f->core = core_create(&config, &shell, 42, 2, f->now_ms);
	if (prefix_parse("10.10.0.0/24", &p.prefix) < 0)
		abort();
	p.gateway = an_address(254);
	if (core_add_prefix(f->core, &p, &why) < 0)
		abort();
	for (unsigned i = 0; i < NODES; i++)
		add_node(f, i);
	for (unsigned i = 0; i < 2; i++) {
		f->elements[i].id = 2 + i;
		connect(f, &f->elements[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {.rd = reader_make(data, size), .now_ms = 1000000};

	start(&f);
	for (unsigned left = DEEDS_MAX; left && reader_left(&f.rd); left--)
		do_one(&f);
	core_destroy(f.core);
	return 0;
}
