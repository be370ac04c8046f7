/* Our codec and channel in the switch's place: a switch of one table and no data path, which any
 * OpenFlow 1.3 controller or ovs-ofctl may talk to.  It keeps the flows and groups it is given and
 * tells them again.  tests/system/test_openflow_ovs.py lets ovs-ofctl judge what it writes.
 *
 *	openflow-switch
 *
 * Listens on a free port of loopback, prints the port, and serves a few connections at once
 *("ovs-ofctl show" opens its second before it closes its first). */
#include "openflow/channel.h"
#include "openflow/multipart.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOWS_MAX 64
#define GROUPS_MAX 8

#define SESSIONS_MAX 8

struct toy {
	struct ofp_flow_mod flows[FLOWS_MAX];
	unsigned flow_count;
	struct ofp_group_mod groups[GROUPS_MAX];
	unsigned group_count;
};

struct session {
	struct toy *toy;
	struct channel channel;
};

static void on_up(void *context)
{
}

static int on_flow_mod(struct toy *t, struct reader *body)
{
	struct ofp_flow_mod f;
	int r = ofp_flow_mod_decode(body, &f);

	if (r)
		return r;
	if (f.command == OFPFC_DELETE) {
		t->flow_count = 0;
		return 0;
	}
	if (f.command != OFPFC_ADD)
		return -OFP_FLOW_MOD_FAILED_BAD_COMMAND;
	if (t->flow_count == FLOWS_MAX)
		return -OFP_FLOW_MOD_FAILED_TABLE_FULL;
	t->flows[t->flow_count++] = f;
	return 0;
}

static int on_group_mod(struct toy *t, struct reader *body)
{
	struct ofp_group_mod g;
	int r = ofp_group_mod_decode(body, &g);

	if (r)
		return r;
	if (t->group_count == GROUPS_MAX)
		return -OFP_GROUP_MOD_FAILED_OUT_OF_GROUPS;
	t->groups[t->group_count++] = g;
	return 0;
}

static int add_flows(struct toy *t, struct reader *body, struct ofp_multipart_writer *w)
{
	struct ofp_flow_stats_request request;
	struct ofp_flow_stats s = {.duration_s = 12, .packet_count = 3, .byte_count = 180};
	int r = ofp_flow_stats_request_decode(body, &request);

	for (unsigned i = 0; !r && i < t->flow_count; i++) {
		const struct ofp_flow_mod *f = &t->flows[i];

		if (!ofp_match_covers(&request.match, &f->match))
			continue;
		s.table = f->table;
		s.priority = f->priority;
		s.idle_timeout = f->idle_timeout;
		s.hard_timeout = f->hard_timeout;
		s.flags = f->flags;
		s.cookie = f->cookie;
		s.match = f->match;
		s.instructions = f->instructions;
		ofp_flow_stats_add(w, &s);
	}
	return r;
}

static const struct ofp_port port = {.number = 1, .mac = {{2, 0, 0, 0, 0, 1}}, .name = "veth-node"};

static void add_features(struct ofp_multipart_writer *w)
{
	struct ofp_table_features f = {
		.name = "binding",
		.max_entries = 1000000,
		.instructions = OFP_INSTRUCTION_GOTO_TABLE | OFP_INSTRUCTION_APPLY_ACTIONS,
		.next_tables = 1 << 1,
		.match_fields = 1ull << OFP_FIELD_ETH_TYPE | 1ull << OFP_FIELD_IPV4_DST |
				1ull << OFP_FIELD_REG0,
		.set_fields = 1ull << OFP_FIELD_ETH_DST,
		.apply_actions = 1u << OFP_ACTION_OUTPUT | 1u << OFP_ACTION_GROUP |
				 1u << OFP_ACTION_SET_FIELD | 1u << OFP_ACTION_REG_LOAD,
	};

	ofp_table_features_add(w, &f);
	f.table = 1;
	snprintf(f.name, sizeof(f.name), "external");
	f.next_tables = 0;
	ofp_table_features_add(w, &f);
}

static int add_ids(struct toy *t, uint16_t type, struct reader *body,
		   struct ofp_multipart_writer *w)
{
	const struct ofp_port_stats port_stats = {
		.port = 1, .duration_s = 7, .rx_packets = 11, .tx_bytes = 1300};
	uint32_t id;
	int r = ofp_id_request_decode(body, &id);

	if (r)
		return r;
	if (type == OFPMP_PORT_STATS) {
		ofp_port_stats_add(w, &port_stats);
		return 0;
	}
	for (unsigned i = 0; i < t->group_count; i++) {
		struct ofp_group_stats s = {.group = t->groups[i].group,
					    .packet_count = 5,
					    .bucket_count = t->groups[i].bucket_count};

		ofp_group_stats_add(w, &s);
	}
	return 0;
}

static int add_items(struct toy *t, uint16_t type, struct reader *body,
		     struct ofp_multipart_writer *w)
{
	static const struct ofp_description description = {"VICTOR", "toy", "0", "1", "test"};
	const struct ofp_aggregate_stats aggregate = {9, 900, t->flow_count};
	const struct ofp_table_stats table = {0, t->flow_count, 10, 9};

	switch (type) {
	case OFPMP_DESC:
		ofp_description_add(w, &description);
		return 0;
	case OFPMP_FLOW:
		return add_flows(t, body, w);
	case OFPMP_AGGREGATE:
		ofp_aggregate_stats_add(w, &aggregate);
		return 0;
	case OFPMP_TABLE:
		ofp_table_stats_add(w, &table);
		return 0;
	case OFPMP_PORT_STATS:
	case OFPMP_GROUP:
		return add_ids(t, type, body, w);
	case OFPMP_PORT_DESC:
		ofp_port_desc_add(w, &port);
		return 0;
	case OFPMP_GROUP_DESC:
		for (unsigned i = 0; i < t->group_count; i++)
			ofp_group_desc_add(w, &t->groups[i]);
		return 0;
	case OFPMP_TABLE_FEATURES:
		add_features(w);
		return 0;
	default:
		return -OFP_BAD_REQUEST_BAD_MULTIPART;
	}
}

static int on_multipart(struct toy *t, struct buffer *out, uint32_t xid, struct reader *body)
{
	size_t before = out->size;
	struct ofp_multipart_writer w;
	struct ofp_multipart m;
	int r = ofp_multipart_decode(body, &m);

	if (r)
		return r;
	ofp_multipart_begin(&w, out, xid, m.type);
	r = add_items(t, m.type, &m.body, &w);
	ofp_multipart_end(&w);
	if (r)
		out->size = before;
	return r;
}

static int on_message(void *context, const struct ofp_header *header, struct reader *body)
{
	static const struct ofp_features features = {0xabcd, 0, 0x4f, 2, 0};
	static const struct ofp_config config = {0, 0xffff};
	struct session *session = context;
	struct buffer *out = &session->channel.out;
	struct toy *t = session->toy;

	switch (header->type) {
	case OFPT_FEATURES_REQUEST:
		ofp_features_encode(out, header->xid, &features);
		return 0;
	case OFPT_GET_CONFIG_REQUEST:
		ofp_config_encode(out, OFPT_GET_CONFIG_REPLY, header->xid, &config);
		return 0;
	case OFPT_SET_CONFIG:
	case OFPT_ERROR:
		return 0;
	case OFPT_FLOW_MOD:
		return on_flow_mod(t, body);
	case OFPT_GROUP_MOD:
		return on_group_mod(t, body);
	case OFPT_MULTIPART_REQUEST:
		return on_multipart(t, out, header->xid, body);
	case OFPT_BARRIER_REQUEST:
		ofp_empty_encode(out, OFPT_BARRIER_REPLY, header->xid);
		return 0;
	default:
		return -OFP_BAD_REQUEST_BAD_TYPE;
	}
}

static const struct channel_ops ops = {on_up, on_message};

/* Reads once and answers; false when the connection is over. */
static bool serve(struct session *s, int fd)
{
	struct buffer *out = &s->channel.out;
	uint8_t bytes[2048];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	channel_receive(&s->channel, bytes, (size_t)n, 0);
	while (out->size && (n = write(fd, out->data, out->size)) > 0)
		buffer_drop_front(out, (size_t)n);
	return n > 0 && s->channel.state != CHANNEL_DOWN;
}

static int listen_loopback(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 4) ||
	    getsockname(fd, (struct sockaddr *)&at, &size)) {
		perror("openflow-switch");
		return -1;
	}
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static void accept_session(struct toy *toy, int listener, struct session *s, struct pollfd *pfd)
{
	pfd->fd = accept(listener, NULL, NULL);
	pfd->events = POLLIN;
	s->toy = toy;
	if (pfd->fd >= 0)
		channel_init(&s->channel, &ops, s, 0, 0);
}

int main(void)
{
	static struct toy toy;
	static struct session sessions[SESSIONS_MAX];
	struct pollfd fds[SESSIONS_MAX + 1] = {{.fd = listen_loopback(), .events = POLLIN}};

	for (unsigned i = 1; i <= SESSIONS_MAX; i++)
		fds[i].fd = -1;
	while (fds[0].fd >= 0 && poll(fds, SESSIONS_MAX + 1, -1) > 0) {
		bool accepted = !fds[0].revents;

		for (unsigned i = 1; i <= SESSIONS_MAX; i++) {
			struct session *s = &sessions[i - 1];

			if (fds[i].fd >= 0 && fds[i].revents && !serve(s, fds[i].fd)) {
				close(fds[i].fd);
				fds[i].fd = -1;
				channel_finish(&s->channel);
			} else if (fds[i].fd < 0 && !accepted) {
				accept_session(&toy, fds[0].fd, s, &fds[i]);
				fds[i].revents = 0;
				accepted = true;
			}
		}
	}
	return 1;
}
