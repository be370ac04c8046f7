/* VICTOR's experimenter messages as bytes (docs/southbound.md draws them).  Both ends use this:
 * fe/agent.c sends most of them, the controller's core reads them. */
#include "pipeline/experimenter.h"
#include "pipeline/experimenter_private.h"

#include <assert.h>
#include <string.h>

#define COUNTER_SIZE 40
#define DROP_SIZE (DROP_NAME_SIZE + 8)

size_t experimenter_begin(struct buffer *b, uint32_t xid, enum experimenter_type type)
{
	size_t start = b->size;

	write_u8(b, OFP_VERSION);
	write_u8(b, OFPT_EXPERIMENTER);
	write_u16(b, 0);
	write_u32(b, xid);
	write_u32(b, VICTOR_EXPERIMENTER);
	write_u32(b, type);
	return start;
}

void experimenter_end(struct buffer *b, size_t start)
{
	assert(b->size - start <= OFP_MESSAGE_MAX);
	write_u16_at(b, start + 2, (uint16_t)(b->size - start));
}

/* A text in a field of fixed size: zero-filled, its last byte zero. */
static void write_text(struct buffer *b, const char *text, size_t size)
{
	size_t length = strnlen(text, size - 1);

	buffer_add_bytes(b, text, length);
	write_zeros(b, size - length);
}

/* Only printable ASCII without a space comes through as it is: a name ends up in logs, on
 * terminals and in metrics. */
static void read_text(struct reader *rd, char *ret, size_t size)
{
	read_bytes(rd, ret, size);
	ret[size - 1] = '\0';
	for (size_t i = 0, ended = 0; i < size; i++) {
		ended |= !ret[i];
		if (ended)
			ret[i] = '\0';
		else if (ret[i] < ' ' || ret[i] > '~')
			ret[i] = '?';
	}
}

int experimenter_finish(const struct reader *rd)
{
	return rd->failed || reader_left(rd) ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

int experimenter_decode(struct reader *body, enum experimenter_type *ret)
{
	uint32_t experimenter = read_u32(body), type = read_u32(body);

	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	if (experimenter != VICTOR_EXPERIMENTER)
		return -OFP_BAD_REQUEST_BAD_EXPERIMENTER;
	if (type < EXPERIMENTER_ELEMENT || type >= EXPERIMENTER_TYPE_END)
		return -OFP_BAD_REQUEST_BAD_EXP_TYPE;
	*ret = (enum experimenter_type)type;
	return 0;
}

/* At most the last 32 bits vary, and none is set in the prefix. */
static bool spread_is_valid(const struct prefix *p, bool is_ipv4)
{
	for (unsigned bit = p->length; bit < 128; bit++)
		if (p->address.bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	return p->length >= 96 && p->length <= 128 && address_is_ipv4(&p->address) == is_ipv4;
}

static void write_pair(struct buffer *b, const struct backplane_pair *p)
{
	buffer_add_bytes(b, p->address.bytes, 16);
	buffer_add_bytes(b, p->redirect.bytes, 16);
	buffer_add_bytes(b, p->spread.address.bytes, 16);
	write_u8(b, p->spread.length);
	write_zeros(b, 3);
}

/* Whether it is one: both addresses or none, of one family. */
static bool read_pair(struct reader *rd, bool is_ipv4, struct backplane_pair *ret)
{
	read_bytes(rd, ret->address.bytes, 16);
	read_bytes(rd, ret->redirect.bytes, 16);
	read_bytes(rd, ret->spread.address.bytes, 16);
	ret->spread.length = read_u8(rd);
	read_skip(rd, 3);
	if (address_is_zero(&ret->address))
		return address_is_zero(&ret->redirect) && !ret->spread.length;
	return address_is_ipv4(&ret->address) == is_ipv4 &&
	       (address_is_zero(&ret->redirect) || address_is_ipv4(&ret->redirect) == is_ipv4) &&
	       (!ret->spread.length || spread_is_valid(&ret->spread, is_ipv4));
}

void element_info_encode(struct buffer *b, uint32_t xid, const struct element_info *e)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_ELEMENT);

	write_text(b, e->name, sizeof(e->name));
	write_text(b, e->software, sizeof(e->software));
	for (unsigned i = 0; i < FAMILY_COUNT; i++)
		write_pair(b, &e->backplane.pair[i]);
	write_u16(b, e->backplane_mtu);
	write_u8(b, e->encapsulations);
	write_zeros(b, 1);
	write_u32(b, e->binding_limit);
	experimenter_end(b, start);
}

int element_info_decode(struct reader *body, struct element_info *ret)
{
	bool wrong = false;

	memset(&ret->backplane, 0, sizeof(ret->backplane));
	read_text(body, ret->name, sizeof(ret->name));
	read_text(body, ret->software, sizeof(ret->software));
	for (unsigned i = 0; i < FAMILY_COUNT; i++)
		wrong |= !read_pair(body, i == FAMILY_IPV4, &ret->backplane.pair[i]);
	ret->backplane_mtu = read_u16(body);
	ret->encapsulations = read_u8(body);
	read_skip(body, 1);
	ret->binding_limit = read_u32(body);
	return wrong ? -OFP_BAD_REQUEST_BAD_LEN : experimenter_finish(body);
}

void port_info_encode(struct buffer *b, uint32_t xid, const struct port_info *p)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_PORT);

	write_u32(b, p->number);
	write_u8(b, p->role);
	write_u8(b, p->trunk);
	write_u16(b, p->mtu);
	write_u32(b, p->segment);
	write_u8(b, p->link);
	write_zeros(b, 3);
	write_text(b, p->identity, sizeof(p->identity));
	experimenter_end(b, start);
}

int port_info_decode(struct reader *body, struct port_info *ret)
{
	uint8_t trunk;

	ret->number = read_u32(body);
	ret->role = read_u8(body);
	trunk = read_u8(body);
	ret->trunk = trunk;
	ret->mtu = read_u16(body);
	ret->segment = read_u32(body);
	ret->link = read_u8(body);
	read_skip(body, 3);
	read_text(body, ret->identity, sizeof(ret->identity));
	if (experimenter_finish(body) < 0 || ret->role < PORT_ACCESS || ret->role > PORT_EXTERNAL ||
	    trunk > 1 || ret->link > LINK_RAW || (ret->link && ret->role != PORT_BACKPLANE))
		return -OFP_BAD_REQUEST_BAD_LEN;
	return 0;
}

void replay_encode(struct buffer *b, uint32_t xid, const struct replay *r)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_REPLAY);

	write_u32(b, r->port);
	write_u32(b, r->age_ms);
	buffer_add_bytes(b, r->data, r->data_size);
	experimenter_end(b, start);
}

int replay_decode(struct reader *body, struct replay *ret)
{
	ret->port = read_u32(body);
	ret->age_ms = read_u32(body);
	ret->data_size = reader_left(body);
	ret->data = read_borrow(body, ret->data_size);
	return experimenter_finish(body);
}

void silent_encode(struct buffer *b, uint32_t xid, const struct silent *s)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_SILENT);

	write_u32(b, s->vrf);
	write_u32(b, s->port);
	buffer_add_bytes(b, s->address.bytes, 16);
	write_u64(b, s->cookie);
	write_u32(b, s->idle_ms);
	write_u16(b, s->vlan);
	write_zeros(b, 2);
	experimenter_end(b, start);
}

int silent_decode(struct reader *body, struct silent *ret)
{
	ret->vrf = read_u32(body);
	ret->port = read_u32(body);
	read_bytes(body, ret->address.bytes, 16);
	ret->cookie = read_u64(body);
	ret->idle_ms = read_u32(body);
	ret->vlan = read_u16(body);
	read_skip(body, 2);
	return experimenter_finish(body);
}

void counters_request_encode(struct buffer *b, uint32_t xid)
{
	experimenter_end(b, experimenter_begin(b, xid, EXPERIMENTER_COUNTERS_REQUEST));
}

void counters_reply_encode(struct buffer *b, uint32_t xid, const struct counter *list,
			   unsigned count, bool more)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_COUNTERS_REPLY);

	assert(count <= COUNTERS_PER_MESSAGE);
	write_u8(b, more);
	write_zeros(b, 7);
	for (unsigned i = 0; i < count; i++) {
		write_u32(b, list[i].ingress_fe);
		write_u32(b, list[i].vrf);
		buffer_add_bytes(b, list[i].address.bytes, 16);
		write_u64(b, list[i].packets);
		write_u64(b, list[i].bytes);
	}
	experimenter_end(b, start);
}

int counters_reply_begin(struct reader *body, bool *ret_more)
{
	uint8_t more = read_u8(body);

	read_skip(body, 7);
	if (body->failed || more > 1 || reader_left(body) % COUNTER_SIZE ||
	    reader_left(body) / COUNTER_SIZE > COUNTERS_PER_MESSAGE)
		return -OFP_BAD_REQUEST_BAD_LEN;
	*ret_more = more;
	return 0;
}

int counters_next(struct reader *body, struct counter *ret)
{
	if (!body->failed && !reader_left(body))
		return 0;
	ret->ingress_fe = read_u32(body);
	ret->vrf = read_u32(body);
	read_bytes(body, ret->address.bytes, 16);
	ret->packets = read_u64(body);
	ret->bytes = read_u64(body);
	return body->failed ? -OFP_BAD_REQUEST_BAD_LEN : 1;
}

void drops_request_encode(struct buffer *b, uint32_t xid)
{
	experimenter_end(b, experimenter_begin(b, xid, EXPERIMENTER_DROPS_REQUEST));
}

void drops_reply_encode(struct buffer *b, uint32_t xid, const struct drop_count *list,
			unsigned count)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_DROPS_REPLY);

	assert(count * DROP_SIZE <= OFP_MESSAGE_MAX - 16);
	for (unsigned i = 0; i < count; i++) {
		write_text(b, list[i].name, sizeof(list[i].name));
		b->data[b->size - 1] = list[i].is_other;
		write_u64(b, list[i].packets);
	}
	experimenter_end(b, start);
}

int drops_next(struct reader *body, struct drop_count *ret)
{
	if (!body->failed && !reader_left(body))
		return 0;
	read_text(body, ret->name, sizeof(ret->name) - 1);
	ret->name[sizeof(ret->name) - 1] = '\0';
	ret->is_other = read_u8(body) != 0;
	ret->port = 0;
	ret->packets = read_u64(body);
	return body->failed ? -OFP_BAD_REQUEST_BAD_LEN : 1;
}
