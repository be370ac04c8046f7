/* packet/nd: any frame; what is accepted obeys the header's promises.  A checksum is hard to guess,
 * so the frame is given the right one first. */
#include "packet/nd.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAME_MAX 2048

/* The last 'length' bytes of the frame are the message, behind 32 bytes of addresses. */
static void seal(uint8_t *frame, size_t size, size_t message)
{
	uint32_t sum = (uint32_t)(size - message) + 58;

	frame[message + 2] = frame[message + 3] = 0;
	for (size_t i = message - 32; i < size; i++)
		sum += (i - message) % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	frame[message + 2] = (uint8_t)(~sum >> 8);
	frame[message + 3] = (uint8_t)~sum;
}

static void check(const struct nd *n)
{
	if (n->vlan > 0xfff || mac_is_zero(&n->ethernet_source) || address_is_ipv4(&n->source) ||
	    address_is_ipv4(&n->target) || n->router.prefix_count > ND_PREFIXES_MAX)
		abort();
	if (n->has_link_layer && (mac_is_zero(&n->link_layer) || mac_is_multicast(&n->link_layer)))
		abort();
	for (unsigned i = 0; i < n->router.prefix_count; i++)
		if (n->router.prefixes[i].prefix.length > 128)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[FRAME_MAX];
	struct nd n;
	size_t message;

	if (size > sizeof(frame))
		return 0;
	memcpy(frame, data, size);
	if (nd_parse(data, size, &n) == 0)
		check(&n);
	message = size >= 14 && frame[12] == 0x81 && frame[13] == 0 ? 58 : 54;
	if (size < message + 4)
		return 0;
	frame[message - 36] = (uint8_t)((size - message) >> 8);
	frame[message - 35] = (uint8_t)(size - message);
	seal(frame, size, message);
	if (nd_parse(frame, size, &n) == 0)
		check(&n);
	return 0;
}
