/* One element of fe-load: the connection, the few messages of the handshake, and what is counted of
 * all that follows.  What it would report after a reconnect is computed from the nodes. */
#include "lab/load.h"

#include "base/memory.h"
#include "pipeline/experimenter.h"
#include "pipeline/rule.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE 262144
#define OUT_ENOUGH 65536
#define READBACK_NODES 256   /* in one message */
#define READBACK_LOOKS 65536 /* nodes that are looked at for one */

/* Offsets into a flow-mod. */
enum { MOD_COOKIE = 8, MOD_TABLE = 24, MOD_COMMAND = 25, MOD_PRIORITY = 30 };

int64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void load_element_init(struct load *l, unsigned index)
{
	struct load_element *e = &l->elements[index];

	*e = (struct load_element){
		.load = l, .index = index, .id = 1000 + index, .fd = -1, .readback = -1};
}

void load_element_finish(struct load_element *e)
{
	if (e->fd >= 0)
		close(e->fd);
	free(e->marks);
	buffer_finish(&e->in);
	buffer_finish(&e->out);
}

static void watch(struct load_element *e, int operation, bool writable)
{
	struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = e};

	e->writable_wanted = writable;
	(void)epoll_ctl(e->load->epoll, operation, e->fd, &event);
}

void load_element_connect(struct load_element *e)
{
	const struct sockaddr *to = (const struct sockaddr *)&e->load->controller;

	e->again_ns = load_now_ns() + 10000000 + rand() % 100 * 1000000;
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		return;
	e->connecting = true;
	if (connect(e->fd, to, sizeof(e->load->controller)) < 0 && errno != EINPROGRESS) {
		close(e->fd);
		e->fd = -1;
		return;
	}
	watch(e, EPOLL_CTL_ADD, true);
}

static void disconnect(struct load_element *e)
{
	close(e->fd);
	e->fd = -1;
	e->load->complete -= e->complete;
	e->load->losses += !e->connecting;
	e->connecting = e->lost = e->complete = false;
	e->readback = -1;
	free(e->marks);
	e->marks = NULL;
	e->out_at = 0;
	e->again_ns = load_now_ns() + 10000000 + rand() % 100 * 1000000;
	buffer_clear(&e->in);
	buffer_clear(&e->out);
}

/* --- the handshake -------------------------------------------------------------------------- */

static void describe_port(const struct load_element *e, unsigned i, struct ofp_port *ret)
{
	*ret = (struct ofp_port){.number = LOAD_PORT + i};
	ret->mac = (struct mac){{2, 1, (uint8_t)i, 0, (uint8_t)(e->id >> 8), (uint8_t)e->id}};
	snprintf(ret->name, sizeof(ret->name), "load%u", i);
}

static void introduce(struct load_element *e, uint32_t xid)
{
	struct ofp_features features = {.datapath_id = e->id, .table_count = TABLE_COUNT};
	struct element_info info = {.software = "fe-load",
				    .backplane_mtu = 1600,
				    .encapsulations = ENCAPSULATION_IPIP,
				    .binding_limit = 8u << 20};
	uint8_t address[4] = {172, 31, (uint8_t)(e->index >> 7), (uint8_t)(e->index << 1 & 0xff)};

	snprintf(info.name, sizeof(info.name), "load-%u", e->id);
	info.backplane.pair[FAMILY_IPV4].address = address_from_ipv4(address);
	address[3] |= 1;
	info.backplane.pair[FAMILY_IPV4].redirect = address_from_ipv4(address);
	ofp_features_encode(&e->out, xid, &features);
	element_info_encode(&e->out, 0, &info);
	for (unsigned i = 0; i < 2; i++) {
		struct port_info port = {.number = LOAD_PORT + i, .role = PORT_ACCESS, .mtu = 1500};
		struct ofp_port_status status = {.reason = OFPPR_ADD};

		port_info_encode(&e->out, 0, &port);
		describe_port(e, i, &status.port);
		ofp_port_status_encode(&e->out, 0, &status);
	}
}

/* Of all nodes, or of those in marked buckets. */
static void begin_readback(struct load_element *e, uint32_t xid,
			   const struct summary_scheme *scheme, const struct summary_marks *marks)
{
	free(e->marks);
	e->marks = NULL;
	if (marks) {
		e->scheme = *scheme;
		e->marks = memory_copy(marks, sizeof(*marks));
	}
	e->readback = 0;
	e->readback_xid = xid;
}

static void answer_multipart(struct load_element *e, uint32_t xid, uint16_t type)
{
	struct ofp_multipart_writer w;
	struct ofp_port port;

	if (type == OFPMP_FLOW && e->reads_back) {
		begin_readback(e, xid, NULL, NULL);
		return;
	}
	ofp_multipart_begin(&w, &e->out, xid, type);
	for (unsigned i = 0; type == OFPMP_PORT_DESC && i < 2; i++) {
		describe_port(e, i, &port);
		ofp_port_desc_add(&w, &port);
	}
	ofp_multipart_end(&w);
	e->reads_back |= type == OFPMP_FLOW;
}

static bool is_asked_for(const struct load_element *e, unsigned node)
{
	struct address address = load_address(node);

	return !e->marks || summary_is_marked(e->marks, summary_bucket_of(&e->scheme, 0, &address));
}

/* The next messages of the statistics of all that it has, as long as they find room. */
static void read_back(struct load_element *e)
{
	const struct load *l = e->load;

	while (e->readback >= 0 && e->out.size - e->out_at < OUT_ENOUGH) {
		size_t start = ofp_message_begin(&e->out, OFPT_MULTIPART_REPLY, e->readback_xid);
		size_t flags = e->out.size + 2;
		unsigned at = (unsigned)e->readback, rules = 0;

		write_u16(&e->out, OFPMP_FLOW);
		write_zeros(&e->out, 6);
		for (unsigned looks = 0;
		     at < l->node_count && rules < READBACK_NODES && looks < READBACK_LOOKS;
		     at++, looks++)
			if (is_asked_for(e, at)) {
				load_put_rules(&e->out, l, e->index, at);
				rules++;
			}
		write_u16_at(&e->out, flags, at < l->node_count);
		ofp_message_end(&e->out, start);
		e->readback = at < l->node_count ? (int64_t)at : -1;
	}
}

static void answer_empty(struct load_element *e, uint32_t xid)
{
	struct ofp_multipart_writer w;

	ofp_multipart_begin(&w, &e->out, xid, OFPMP_FLOW);
	ofp_multipart_end(&w);
}

static void answer_rules(struct load_element *e, uint32_t xid, const struct summary_scheme *scheme,
			 const struct summary_marks *marks)
{
	static const struct summary_marks none;

	if (memcmp(marks, &none, sizeof(none)) == 0)
		answer_empty(e, xid);
	else
		begin_readback(e, xid, scheme, marks);
}

static void answer_experimenter(struct load_element *e, uint32_t xid, const uint8_t *message,
				size_t size)
{
	struct reader body = reader_make(message + OFP_HEADER_SIZE, size - OFP_HEADER_SIZE);
	struct summary_scheme scheme;
	struct summary_marks marks = {0};
	enum experimenter_type type;

	if (experimenter_decode(&body, &type) < 0)
		return;
	if (type == EXPERIMENTER_LINKS_REQUEST)
		links_reply_encode(&e->out, xid, NULL, NULL, 0, false);
	else if (type == EXPERIMENTER_SUMMARY_REQUEST &&
		 summary_request_decode(&body, &scheme) == 0)
		load_put_summary(e, xid, &scheme);
	else if (type == EXPERIMENTER_SUMMARY_RULES &&
		 summary_rules_decode(&body, &scheme, &marks) == 0)
		answer_rules(e, xid, &scheme, &marks);
}

static void answer_role(struct load_element *e, uint32_t xid, const uint8_t *message, size_t size)
{
	struct reader body = reader_make(message + OFP_HEADER_SIZE, size - OFP_HEADER_SIZE);
	struct ofp_role_message role;

	if (ofp_role_decode(&body, &role) < 0)
		return;
	if (role.role == OFPCR_NOCHANGE)
		role.generation_id = UINT64_MAX;
	ofp_role_encode(&e->out, OFPT_ROLE_REPLY, xid, &role);
}

/* --- what is measured ----------------------------------------------------------------------- */

static void on_flow_mod(struct load_element *e, const uint8_t *message, size_t size)
{
	struct load *l = e->load;
	int64_t node;
	uint64_t cookie = 0;

	l->flow_mods++;
	e->told = l->epoch;
	if (message[MOD_COMMAND] != OFPFC_ADD)
		return;
	if (message[MOD_TABLE] == TABLE_GUARD && message[MOD_PRIORITY + 1] == 100) {
		l->admitted++;
		l->admitted_ns = load_now_ns();
	}
	if (message[MOD_TABLE] != TABLE_BINDING)
		return;
	l->changes++;
	node = load_node_of_flow_mod(l, message, size);
	for (unsigned i = 0; i < 8; i++)
		cookie = cookie << 8 | message[MOD_COOKIE + i];
	if (node >= 0 && message[MOD_PRIORITY + 1] == 200)
		l->nodes[node].local_cookie = cookie;
	else if (node >= 0 && message[MOD_PRIORITY + 1] == 100)
		l->nodes[node].foreign_cookie = cookie;
}

static void on_barrier(struct load_element *e, uint32_t xid)
{
	struct load *l = e->load;

	ofp_empty_encode(&e->out, OFPT_BARRIER_REPLY, xid);
	l->barriers++;
	if (e->reads_back && e->readback < 0 && !e->complete) {
		e->complete = true;
		l->complete++;
	}
	if (e->told == l->epoch && e->settled != l->epoch) {
		e->settled = l->epoch;
		l->settled++;
		load_element_flush(e);
		l->settled_ns = load_now_ns();
	}
}

/* The controller asks whether the node is there. */
static void on_packet_out(struct load_element *e, const uint8_t *message, size_t size)
{
	int64_t node = load_node_of_probe(e->load, message, size);

	if (node >= 0 && e->load->nodes[node].speaks && e->load->nodes[node].element == e->index)
		load_put_announcement(&e->out, (unsigned)node, e->load->nodes[node].port, true);
}

static void on_message(struct load_element *e, const uint8_t *message, size_t size)
{
	uint32_t xid = (uint32_t)message[4] << 24 | (uint32_t)message[5] << 16 |
		       (uint32_t)message[6] << 8 | message[7];

	switch (message[1]) {
	case OFPT_FLOW_MOD:
		on_flow_mod(e, message, size);
		return;
	case OFPT_BARRIER_REQUEST:
		on_barrier(e, xid);
		return;
	case OFPT_PACKET_OUT:
		on_packet_out(e, message, size);
		return;
	case OFPT_FEATURES_REQUEST:
		introduce(e, xid);
		return;
	case OFPT_ROLE_REQUEST:
		answer_role(e, xid, message, size);
		return;
	case OFPT_MULTIPART_REQUEST:
		answer_multipart(e, xid, (uint16_t)(message[8] << 8 | message[9]));
		return;
	case OFPT_EXPERIMENTER:
		answer_experimenter(e, xid, message, size);
		return;
	case OFPT_ECHO_REQUEST:
		ofp_echo_encode(&e->out, OFPT_ECHO_REPLY, xid, NULL, 0);
		return;
	case OFPT_ERROR:
		e->load->refused++;
		return;
	default:
		return;
	}
}

/* Returns how much of it is whole messages. */
static size_t on_bytes(struct load_element *e, const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	while (size - at >= OFP_HEADER_SIZE) {
		size_t length = (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);

		if (length < OFP_HEADER_SIZE) {
			e->lost = true;
			return size;
		}
		if (size - at < length)
			break;
		on_message(e, bytes + at, length);
		at += length;
	}
	return at;
}

static void on_readable(struct load_element *e)
{
	static uint8_t bytes[READ_SIZE];
	ssize_t size = recv(e->fd, bytes, sizeof(bytes), 0);

	if (size <= 0) {
		e->lost |= size == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	e->load->bytes_in += (uint64_t)size;
	if (e->in.size) {
		buffer_add_bytes(&e->in, bytes, (size_t)size);
		buffer_drop_front(&e->in, on_bytes(e, e->in.data, e->in.size));
	} else {
		size_t used = on_bytes(e, bytes, (size_t)size);

		buffer_add_bytes(&e->in, bytes + used, (size_t)size - used);
	}
}

void load_element_flush(struct load_element *e)
{
	if (e->fd < 0 || e->connecting)
		return;
	read_back(e);
	while (e->out_at < e->out.size) {
		ssize_t some =
			send(e->fd, e->out.data + e->out_at, e->out.size - e->out_at, MSG_NOSIGNAL);

		if (some < 0) {
			e->lost |= errno != EAGAIN && errno != EINTR;
			break;
		}
		e->out_at += (size_t)some;
		read_back(e);
	}
	if (e->out_at == e->out.size) {
		buffer_clear(&e->out);
		e->out_at = 0;
	} else if (e->out_at > OUT_ENOUGH) {
		buffer_drop_front(&e->out, e->out_at);
		e->out_at = 0;
	}
	if (e->writable_wanted != (e->out.size > 0))
		watch(e, EPOLL_CTL_MOD, e->out.size > 0);
}

static void on_connected(struct load_element *e)
{
	int error = 0, one = 1;
	socklen_t size = sizeof(error);

	getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		e->lost = true;
		return;
	}
	(void)setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	e->connecting = false;
	ofp_hello_encode(&e->out, 1);
}

void load_element_serve(struct load_element *e, uint32_t events)
{
	if (e->fd < 0)
		return;
	if (e->connecting && events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		on_connected(e);
	if (!e->connecting && !e->lost && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		on_readable(e);
	if (!e->lost)
		load_element_flush(e);
	if (e->lost)
		disconnect(e);
}
