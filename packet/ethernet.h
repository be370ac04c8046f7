/* The Ethernet header as nd.c and neighbor.c read and write it: with or without an 802.1Q tag. */
#pragma once

#include "base/address.h"
#include "base/wire.h"

#define ETHERTYPE_VLAN 0x8100

/* Returns the type behind the tag; *ret_vlan is 0 without one.  rd->failed if it is cut short. */
static inline uint16_t ethernet_read(struct reader *rd, struct mac *ret_destination,
				     struct mac *ret_source, uint16_t *ret_vlan)
{
	uint16_t type;

	read_bytes(rd, ret_destination->bytes, 6);
	read_bytes(rd, ret_source->bytes, 6);
	type = read_u16(rd);
	*ret_vlan = 0;
	if (type == ETHERTYPE_VLAN) {
		*ret_vlan = read_u16(rd) & 0xfff;
		type = read_u16(rd);
	}
	return type;
}

/* 'vlan' 0: untagged. */
static inline void ethernet_write(struct buffer *b, const struct mac *destination,
				  const struct mac *source, uint16_t vlan, uint16_t type)
{
	buffer_add_bytes(b, destination->bytes, 6);
	buffer_add_bytes(b, source->bytes, 6);
	if (vlan) {
		write_u16(b, ETHERTYPE_VLAN);
		write_u16(b, vlan & 0xfff);
	}
	write_u16(b, type);
}
