/* Our codec and channel against a real ovs-vswitchd: connects to the OpenFlow port of a bridge on
 * loopback, programs flows and groups of every shape that VICTOR uses, reads everything back and
 * compares struct with struct.  tests/system/test_openflow_ovs.py starts the switch, runs this, and
 * asks ovs-ofctl whether it sees the same.
 *
 *	openflow-ovs PORT
 *
 * Prints one line for each thing checked; the exit status is 0 only if all were right.  It leaves
 * its flows and groups behind for ovs-ofctl to look at. */
#include "openflow/channel.h"
#include "openflow/multipart.h"
#include "tests/system/openflow_ovs_flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000

struct peer {
	int fd;
	struct channel channel;
	/* Set by the callback: the last message that 'want' waits for, copied. */
	uint8_t want;
	bool got;
	struct ofp_header header;
	struct buffer body;
	int error; /* of the last ERROR */
};

static const uint8_t peer_address[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static _Noreturn void fail(const char *what)
{
	printf("FAILED: %s\n", what);
	exit(1);
}

static void check(bool good, const char *what)
{
	if (!good)
		fail(what);
	printf("ok: %s\n", what);
	fflush(stdout);
}

static void on_up(void *context)
{
}

static int on_message(void *context, const struct ofp_header *header, struct reader *body)
{
	struct peer *p = context;

	if (header->type == OFPT_ERROR) {
		struct ofp_error e;

		if (ofp_error_decode(body, &e))
			fail("an ERROR that we cannot read");
		p->error = e.result;
	}
	if (header->type == p->want && !p->got) {
		p->got = true;
		p->header = *header;
		buffer_clear(&p->body);
		buffer_add_bytes(&p->body, body->at, reader_left(body));
	}
	return 0;
}

static const struct channel_ops ops = {on_up, on_message};

static void flush(struct peer *p)
{
	while (p->channel.out.size) {
		ssize_t n = write(p->fd, p->channel.out.data, p->channel.out.size);

		if (n <= 0)
			fail("write");
		buffer_drop_front(&p->channel.out, (size_t)n);
	}
}

/* One round of the loop: writes what is queued, reads what comes. */
static void turn(struct peer *p, int64_t deadline)
{
	uint8_t bytes[4096];
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
	int64_t left = deadline - now_ms();
	ssize_t n;

	flush(p);
	if (left <= 0 || poll(&pfd, 1, (int)left) <= 0)
		fail("the switch does not answer");
	n = read(p->fd, bytes, sizeof(bytes));
	if (n <= 0)
		fail("the switch closed the connection");
	channel_receive(&p->channel, bytes, (size_t)n, now_ms());
	if (p->channel.state == CHANNEL_DOWN)
		fail(p->channel.down_reason);
}

/* Waits for a message of this type; its body is then in p->body. */
static struct reader await(struct peer *p, uint8_t type)
{
	int64_t deadline = now_ms() + WAIT_MS;

	p->want = type;
	p->got = false;
	while (!p->got)
		turn(p, deadline);
	return reader_make(p->body.data, p->body.size);
}

static void barrier(struct peer *p)
{
	ofp_empty_encode(&p->channel.out, OFPT_BARRIER_REQUEST, channel_xid(&p->channel));
	(void)await(p, OFPT_BARRIER_REPLY);
}

static void open_peer(struct peer *p, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int64_t deadline = now_ms() + WAIT_MS;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	channel_init(&p->channel, &ops, p, 5000, now_ms());
	while (p->channel.state != CHANNEL_UP)
		turn(p, deadline);
	check(true, "HELLO");
}

static void test_session(struct peer *p)
{
	struct ofp_features features;
	struct ofp_config config = {0, 0xffff};
	struct ofp_role_message role = {OFPCR_MASTER, 5};
	struct reader body;

	ofp_empty_encode(&p->channel.out, OFPT_FEATURES_REQUEST, channel_xid(&p->channel));
	body = await(p, OFPT_FEATURES_REPLY);
	check(!ofp_features_decode(&body, &features) && features.table_count == 254 &&
		      features.datapath_id == 0x1234,
	      "FEATURES");
	ofp_config_encode(&p->channel.out, OFPT_SET_CONFIG, channel_xid(&p->channel), &config);
	ofp_empty_encode(&p->channel.out, OFPT_GET_CONFIG_REQUEST, channel_xid(&p->channel));
	body = await(p, OFPT_GET_CONFIG_REPLY);
	check(!ofp_config_decode(&body, &config) && config.miss_send_size == 0xffff, "CONFIG");
	ofp_role_encode(&p->channel.out, OFPT_ROLE_REQUEST, channel_xid(&p->channel), &role);
	body = await(p, OFPT_ROLE_REPLY);
	check(!ofp_role_decode(&body, &role) && role.role == OFPCR_MASTER &&
		      role.generation_id == 5,
	      "ROLE as MASTER");
	role.generation_id = 4;
	ofp_role_encode(&p->channel.out, OFPT_ROLE_REQUEST, channel_xid(&p->channel), &role);
	body = await(p, OFPT_ERROR);
	check(p->error == -OFP_ROLE_REQUEST_FAILED_STALE, "an older generation_id is refused");
	ofp_echo_encode(&p->channel.out, OFPT_ECHO_REQUEST, channel_xid(&p->channel), "there?", 6);
	barrier(p);
	p->error = 0;
}

static const struct ofp_flow_mod *find_flow(const struct ofp_flow_stats *s)
{
	for (unsigned i = 0; i < flow_count; i++) {
		if (flows[i].cookie == s->cookie)
			return &flows[i];
	}
	return NULL;
}

static bool same_flow(const struct ofp_flow_mod *f, const struct ofp_flow_stats *s)
{
	return f && f->table == s->table && f->priority == s->priority && f->flags == s->flags &&
	       f->idle_timeout == s->idle_timeout && ofp_match_equal(&f->match, &s->match) &&
	       ofp_instructions_equal(&f->instructions, &s->instructions);
}

static struct ofp_multipart await_multipart(struct peer *p)
{
	struct reader body = await(p, OFPT_MULTIPART_REPLY);
	struct ofp_multipart m;

	if (ofp_multipart_decode(&body, &m))
		fail("a multipart reply that we cannot read");
	return m;
}

static unsigned count_flows(struct peer *p)
{
	const struct ofp_flow_stats_request all = {
		.table = OFP_TABLE_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	unsigned count = 0;
	struct ofp_multipart m;

	ofp_flow_stats_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_FLOW, &all);
	do {
		struct ofp_flow_stats s;
		int r;

		m = await_multipart(p);
		while ((r = ofp_flow_stats_next(&m.body, &s)) > 0) {
			if (!same_flow(find_flow(&s), &s)) {
				printf("flow of cookie %llx, table %u, priority %u\n",
				       (unsigned long long)s.cookie, s.table, s.priority);
				fail("a flow came back different");
			}
			count++;
		}
		if (r < 0)
			fail(ofp_error_string(r));
	} while (m.more);
	return count;
}

static void test_flows(struct peer *p)
{
	const struct ofp_flow_stats_request table3 = {
		.table = 3, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct ofp_aggregate_stats aggregate;
	struct ofp_multipart m;

	make_flows();
	for (unsigned i = 0; i < flow_count; i++) {
		ofp_flow_mod_encode(&p->channel.out, channel_xid(&p->channel), &flows[i]);
		barrier(p);
		if (p->error) {
			printf("flow %u: %s\n", i, ofp_error_string(p->error));
			fail("a flow was refused");
		}
	}
	check(count_flows(p) == flow_count, "all flows come back as they were sent");
	ofp_flow_stats_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_AGGREGATE,
				      &table3);
	m = await_multipart(p);
	check(!ofp_aggregate_stats_decode(&m.body, &aggregate) && aggregate.flow_count == 5,
	      "aggregate of table 3");
}

static void test_refused_flow(struct peer *p)
{
	struct ofp_flow_mod f = flows[0];

	f.match.count = 0;
	ofp_match_set(&f.match, OFP_FIELD_IPV4_DST, 1);
	ofp_flow_mod_encode(&p->channel.out, channel_xid(&p->channel), &f);
	barrier(p);
	check(p->error == -OFP_BAD_MATCH_BAD_PREREQ, "a missing prerequisite is refused");
	p->error = 0;
}

static struct ofp_group_mod groups[3];

static void make_groups(void)
{
	struct ofp_bucket *k = groups[0].buckets;

	groups[0] = (struct ofp_group_mod){.type = OFPGT_INDIRECT, .group = 3, .bucket_count = 1};
	k->watch_port = k->watch_group = OFPP_ANY;
	ofp_actions_add_set(&k->actions, OFP_FIELD_TUN_IPV4_DST, 0x0a000002);
	ofp_actions_add_output(&k->actions, 2);

	groups[1] = groups[0];
	groups[1].group = 4;
	k = groups[1].buckets;
	k->actions.count = 0;
	ofp_actions_add_set_bytes(&k->actions, OFP_FIELD_TUN_IPV6_DST, peer_address);
	ofp_actions_add_output(&k->actions, 2);

	groups[2] = groups[0];
	groups[2].group = 5;
	groups[2].type = OFPGT_SELECT;
	groups[2].bucket_count = 2;
	groups[2].buckets[0].weight = groups[2].buckets[1].weight = 50;
	groups[2].buckets[1].watch_port = groups[2].buckets[1].watch_group = OFPP_ANY;
	ofp_actions_add_output(&groups[2].buckets[1].actions, 1);
}

static bool same_group(const struct ofp_group_mod *a, const struct ofp_group_mod *b)
{
	if (a->type != b->type || a->group != b->group || a->bucket_count != b->bucket_count)
		return false;
	for (unsigned i = 0; i < a->bucket_count; i++) {
		if (!ofp_actions_equal(&a->buckets[i].actions, &b->buckets[i].actions) ||
		    a->buckets[i].weight != b->buckets[i].weight ||
		    a->buckets[i].watch_port != b->buckets[i].watch_port)
			return false;
	}
	return true;
}

static void test_groups(struct peer *p)
{
	struct ofp_multipart m;
	struct ofp_group_mod g;
	struct ofp_group_stats s;
	unsigned same = 0, count = 0;

	make_groups();
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		ofp_group_mod_encode(&p->channel.out, channel_xid(&p->channel), &groups[i]);
	barrier(p);
	check(!p->error, "groups are taken");
	ofp_multipart_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_GROUP_DESC);
	m = await_multipart(p);
	while (ofp_group_desc_next(&m.body, &g) > 0) {
		for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
			same += same_group(&g, &groups[i]);
	}
	check(same == ARRAY_SIZE(groups), "all groups come back as they were sent");
	ofp_id_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_GROUP, OFPG_ALL);
	m = await_multipart(p);
	while (ofp_group_stats_next(&m.body, &s) > 0)
		count += s.bucket_count;
	check(count == 4, "group statistics");
}

static void test_reads(struct peer *p)
{
	struct ofp_multipart m;
	struct ofp_description d;
	struct ofp_table_stats t;
	struct ofp_port_stats s;
	struct ofp_port port;
	unsigned active = 0, ports = 0;

	ofp_multipart_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_DESC);
	m = await_multipart(p);
	check(!ofp_description_decode(&m.body, &d) && !strcmp(d.hardware, "Open vSwitch"), "DESC");
	ofp_multipart_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_TABLE);
	do {
		m = await_multipart(p);
		while (ofp_table_stats_next(&m.body, &t) > 0)
			active += t.active_count;
	} while (m.more);
	check(active == flow_count, "table statistics");
	ofp_id_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_PORT_STATS,
			      OFPP_ANY);
	m = await_multipart(p);
	while (ofp_port_stats_next(&m.body, &s) > 0)
		ports++;
	check(ports == 3, "port statistics");
	ofp_multipart_request_encode(&p->channel.out, channel_xid(&p->channel), OFPMP_PORT_DESC);
	m = await_multipart(p);
	for (ports = 0; ofp_port_desc_next(&m.body, &port) > 0;)
		ports += port.number == 1 && !strcmp(port.name, "p1") ? 10 : 1;
	check(ports == 12, "port descriptions");
}

static void test_packets(struct peer *p)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06};
	struct ofp_packet_out out = {OFP_NO_BUFFER, 1, .data = frame, .data_size = sizeof(frame)};
	struct ofp_packet_in in;
	struct reader body;

	ofp_actions_add_output(&out.actions, OFPP_TABLE);
	ofp_packet_out_encode(&p->channel.out, channel_xid(&p->channel), &out);
	body = await(p, OFPT_PACKET_IN);
	check(!ofp_packet_in_decode(&body, &in) && in.cookie == flows[1].cookie && !in.table &&
		      in.reason == OFPR_ACTION && in.data_size == sizeof(frame) &&
		      !memcmp(in.data, frame, sizeof(frame)) &&
		      ofp_match_value(ofp_match_get(&in.match, OFP_FIELD_IN_PORT)) == 1,
	      "a PACKET_OUT through the tables comes back as a PACKET_IN");
}

static void test_removal(struct peer *p)
{
	struct ofp_flow_mod f = {.table = 3,
				 .priority = 300,
				 .cookie = 77,
				 .flags = OFPFF_SEND_FLOW_REM,
				 .buffer_id = OFP_NO_BUFFER,
				 .out_port = OFPP_ANY,
				 .out_group = OFPG_ANY};
	struct ofp_flow_removed removed;
	struct reader body;

	ofp_match_set(&f.match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set(&f.match, OFP_FIELD_IPV4_DST, 0x01020304);
	ofp_flow_mod_encode(&p->channel.out, channel_xid(&p->channel), &f);
	f.command = OFPFC_DELETE_STRICT;
	ofp_flow_mod_encode(&p->channel.out, channel_xid(&p->channel), &f);
	body = await(p, OFPT_FLOW_REMOVED);
	check(!ofp_flow_removed_decode(&body, &removed) && removed.cookie == 77 &&
		      removed.reason == OFPRR_DELETE && ofp_match_equal(&f.match, &removed.match),
	      "FLOW_REMOVED");
}

static void test_port_status(struct peer *p)
{
	struct ofp_port_status status;
	struct reader body;

	printf("waiting for port p1 to go down\n");
	fflush(stdout);
	body = await(p, OFPT_PORT_STATUS);
	check(!ofp_port_status_decode(&body, &status) && status.reason == OFPPR_MODIFY &&
		      status.port.number == 1 && status.port.config & OFPPC_PORT_DOWN,
	      "PORT_STATUS");
}

int main(int argc, char **argv)
{
	struct peer p = {0};

	if (argc != 2) {
		fprintf(stderr, "usage: openflow-ovs PORT\n");
		return 2;
	}
	open_peer(&p, (uint16_t)atoi(argv[1]));
	test_session(&p);
	test_groups(&p);
	test_flows(&p);
	test_refused_flow(&p);
	test_reads(&p);
	test_packets(&p);
	test_removal(&p);
	test_port_status(&p);
	channel_finish(&p.channel);
	buffer_finish(&p.body);
	close(p.fd);
	return 0;
}
