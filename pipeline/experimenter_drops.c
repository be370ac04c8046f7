/* The experimenter messages about what single ports' frames met: pipeline/experimenter.c has the
 * others, and the framing that they share (pipeline/experimenter_private.h). */
#include "pipeline/experimenter.h"
#include "pipeline/experimenter_private.h"

#include <assert.h>

#define PORT_DROP_SIZE (DROP_NAME_SIZE + 16)

void port_drops_request_encode(struct buffer *b, uint32_t xid)
{
	experimenter_end(b, experimenter_begin(b, xid, EXPERIMENTER_PORT_DROPS_REQUEST));
}

void port_drops_reply_encode(struct buffer *b, uint32_t xid, const struct drop_count *list,
			     unsigned count, bool more)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_PORT_DROPS_REPLY);

	assert(count <= PORT_DROPS_PER_MESSAGE);
	write_u8(b, more);
	write_zeros(b, 7);
	for (unsigned i = 0; i < count; i++) {
		buffer_add_bytes(b, list[i].name, sizeof(list[i].name) - 1);
		write_u8(b, list[i].is_other);
		write_u32(b, list[i].port);
		write_zeros(b, 4);
		write_u64(b, list[i].packets);
	}
	experimenter_end(b, start);
}

int port_drops_reply_begin(struct reader *body, bool *ret_more)
{
	uint8_t more = read_u8(body);

	read_skip(body, 7);
	if (body->failed || more > 1 || reader_left(body) % PORT_DROP_SIZE ||
	    reader_left(body) / PORT_DROP_SIZE > PORT_DROPS_PER_MESSAGE)
		return -OFP_BAD_REQUEST_BAD_LEN;
	*ret_more = more;
	return 0;
}

int port_drops_next(struct reader *body, struct drop_count *ret)
{
	if (!body->failed && !reader_left(body))
		return 0;
	read_bytes(body, ret->name, sizeof(ret->name) - 1);
	ret->name[sizeof(ret->name) - 1] = '\0';
	ret->is_other = read_u8(body) != 0;
	ret->port = read_u32(body);
	read_skip(body, 4);
	ret->packets = read_u64(body);
	return body->failed ? -OFP_BAD_REQUEST_BAD_LEN : 1;
}
