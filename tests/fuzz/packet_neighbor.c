/* packet/neighbor: any frame; what is accepted obeys the header's promises. */
#include "packet/neighbor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct neighbor n;

	if (neighbor_parse(data, size, &n) < 0)
		return 0;
	if (mac_is_zero(&n.sender_mac) || mac_is_multicast(&n.sender_mac) || n.vlan > 0xfff)
		abort();
	if (n.kind == NEIGHBOR_ARP_ANNOUNCEMENT && address_is_zero(&n.sender))
		abort();
	return 0;
}
