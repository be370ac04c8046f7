/* Bytes of one node, made once by the real encoders with values that are found again, and patched
 * for each node. */
#include "lab/load.h"

#include "packet/neighbor.h"
#include "pipeline/rule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PATCHES_MAX 4
#define FLOW_COOKIE 24 /* of a flow in statistics */

static const uint8_t sample_address[4] = {10, 201, 202, 203};
static const uint8_t sample_mac[6] = {0x52, 0x54, 0xd1, 0xd2, 0xd3, 0xd4};
#define SAMPLE_PORT 0xfeu
#define SAMPLE_FE 0xabcdu

struct template
{
	struct buffer bytes;
	size_t addresses[PATCHES_MAX], macs[PATCHES_MAX];
	unsigned address_count, mac_count;
	size_t number; /* of the port or group, its last two bytes */
};

static struct {
	struct template announcement, answer, local, guard, foreign;
	size_t flow_mod_address; /* in a flow-mod of table 3 */
} made;

static unsigned find_all(const struct buffer *b, const void *what, size_t size,
			 size_t at[PATCHES_MAX])
{
	unsigned count = 0;

	for (size_t i = 0; i + size <= b->size; i++)
		if (memcmp(b->data + i, what, size) == 0) {
			assert(count < PATCHES_MAX);
			at[count++] = i;
		}
	return count;
}

static void find_patches(struct template *t, uint16_t number)
{
	uint8_t bytes[4] = {0, 0, (uint8_t)(number >> 8), (uint8_t)number};
	size_t at[PATCHES_MAX];

	t->address_count = find_all(&t->bytes, sample_address, 4, t->addresses);
	t->mac_count = find_all(&t->bytes, sample_mac, 6, t->macs);
	assert(t->address_count && find_all(&t->bytes, bytes, 4, at) == 1);
	t->number = at[0] + 2;
}

static void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	put_u16(at, (uint16_t)(value >> 16));
	put_u16(at + 2, (uint16_t)value);
}

static void put_u64(uint8_t *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* Returns where the copy is. */
static uint8_t *put(struct buffer *b, const struct template *t, unsigned node, uint16_t number)
{
	uint32_t host = 0x0a000000u + LOAD_FIRST_ADDRESS + node;
	uint8_t address[4] = {(uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
			      (uint8_t)host};
	uint8_t *at = buffer_add(b, t->bytes.size);

	memcpy(at, t->bytes.data, t->bytes.size);
	for (unsigned i = 0; i < t->address_count; i++)
		memcpy(at + t->addresses[i], address, 4);
	for (unsigned i = 0; i < t->mac_count; i++)
		memcpy(at + t->macs[i] + 2, address, 4);
	put_u16(at + t->number, number);
	return at;
}

static void make_packet_in(struct template *t, bool answer)
{
	struct ofp_packet_in packet = {.buffer_id = OFP_NO_BUFFER, .reason = OFPR_ACTION};
	struct mac mac;
	struct address address = address_from_ipv4(sample_address);
	struct buffer frame = {0};

	memcpy(mac.bytes, sample_mac, 6);
	neighbor_build_announcement(&frame, 0, &mac, &address);
	if (answer) { /* a reply to the gateway instead of "sender = target" */
		frame.data[21] = 2;
		memcpy(frame.data + 38, (const uint8_t[4]){10, 0, 0, 1}, 4);
	}
	packet.data = frame.data;
	packet.data_size = packet.total_size = (uint16_t)frame.size;
	ofp_match_set(&packet.match, OFP_FIELD_IN_PORT, SAMPLE_PORT);
	ofp_packet_in_encode(&t->bytes, 0, &packet);
	buffer_finish(&frame);
	find_patches(t, SAMPLE_PORT);
}

static struct rule sample_rule(enum rule_kind kind)
{
	struct rule rule = {.key = {.kind = (uint8_t)kind}};

	rule.key.address = address_from_ipv4(sample_address);
	if (kind == RULE_GUARD) {
		rule.key.port = SAMPLE_PORT;
		memcpy(rule.key.mac.bytes, sample_mac, 6);
	} else if (kind == RULE_LOCAL) {
		rule.port = SAMPLE_PORT;
		memcpy(rule.mac.bytes, sample_mac, 6);
		rule.gateway_mac = (struct mac){{0x02, 0x00, 0x5e, 0x00, 0x53, 0x01}};
	} else {
		rule.fe = SAMPLE_FE;
	}
	return rule;
}

static void make_flow(struct template *t, enum rule_kind kind)
{
	struct rule rule = sample_rule(kind);
	struct ofp_flow_stats flow = {0};
	struct ofp_multipart_writer w;
	struct buffer b = {0};

	rule_to_flow_stats(&rule, &flow);
	ofp_multipart_begin(&w, &b, 0, OFPMP_FLOW);
	size_t start = b.size;

	ofp_flow_stats_add(&w, &flow);
	buffer_add_bytes(&t->bytes, b.data + start, b.size - start);
	buffer_finish(&b);
	find_patches(t, kind == RULE_FOREIGN ? SAMPLE_FE : SAMPLE_PORT);
}

void load_template_init(void)
{
	struct rule foreign = sample_rule(RULE_FOREIGN);
	struct ofp_flow_mod mod;
	struct buffer b = {0};
	size_t at[PATCHES_MAX];

	make_packet_in(&made.announcement, false);
	make_packet_in(&made.answer, true);
	make_flow(&made.local, RULE_LOCAL);
	make_flow(&made.guard, RULE_GUARD);
	make_flow(&made.foreign, RULE_FOREIGN);
	rule_to_flow_mod(&foreign, OFPFC_ADD, &mod);
	ofp_flow_mod_encode(&b, 0, &mod);
	if (find_all(&b, sample_address, 4, at) != 1)
		abort();
	made.flow_mod_address = at[0];
	buffer_finish(&b);
}

void load_put_announcement(struct buffer *b, unsigned node, unsigned port, bool asked)
{
	put(b, asked ? &made.answer : &made.announcement, node, (uint16_t)port);
}

void load_put_rules(struct buffer *b, const struct load *l, unsigned element, unsigned node)
{
	const struct load_node *n = &l->nodes[node];
	const struct load_element *at = &l->elements[n->element];

	if (!n->speaks)
		return;
	if (n->element == element) {
		put_u64(put(b, &made.local, node, n->port) + FLOW_COOKIE, n->local_cookie);
		put_u64(put(b, &made.guard, node, n->port) + FLOW_COOKIE, n->local_cookie);
	} else {
		put_u64(put(b, &made.foreign, node, (uint16_t)at->id) + FLOW_COOKIE,
			n->foreign_cookie);
	}
}

struct address load_address(unsigned node)
{
	uint8_t bytes[4];

	put_u32(bytes, 0x0a000000u + LOAD_FIRST_ADDRESS + node);
	return address_from_ipv4(bytes);
}

static struct mac mac_of(unsigned node)
{
	struct mac mac;

	memcpy(mac.bytes, sample_mac, 2);
	put_u32(mac.bytes + 2, 0x0a000000u + LOAD_FIRST_ADDRESS + node);
	return mac;
}

void load_rules(const struct load *l, unsigned node, struct rule *ret_local, struct rule *ret_guard,
		struct rule *ret_foreign)
{
	const struct load_node *n = &l->nodes[node];

	*ret_local = sample_rule(RULE_LOCAL);
	*ret_guard = sample_rule(RULE_GUARD);
	*ret_foreign = sample_rule(RULE_FOREIGN);
	ret_local->key.address = ret_guard->key.address = ret_foreign->key.address =
		load_address(node);
	ret_local->mac = ret_guard->key.mac = mac_of(node);
	ret_local->port = ret_guard->key.port = n->port;
	ret_local->cookie = ret_guard->cookie = n->local_cookie;
	ret_foreign->fe = l->elements[n->element].id;
	ret_foreign->cookie = n->foreign_cookie;
}

static int64_t node_at(const struct load *l, const uint8_t *address)
{
	uint32_t host = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 |
			(uint32_t)address[2] << 8 | address[3];
	uint32_t node = host - 0x0a000000u - LOAD_FIRST_ADDRESS;

	return node < l->node_count ? (int64_t)node : -1;
}

int64_t load_node_of_flow_mod(const struct load *l, const uint8_t *message, size_t size)
{
	return size < made.flow_mod_address + 4 ? -1 : node_at(l, message + made.flow_mod_address);
}

/* The frame is the last thing in a packet-out. */
int64_t load_node_of_probe(const struct load *l, const uint8_t *message, size_t size)
{
	const uint8_t *frame = message + size - NEIGHBOR_FRAME_SIZE;

	if (size < 40 + NEIGHBOR_FRAME_SIZE || frame[12] != 8 || frame[13] != 6 || frame[21] != 1)
		return -1;
	return node_at(l, frame + 38);
}
