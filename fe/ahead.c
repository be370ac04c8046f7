/* What the messages behind the one that is handled will want from memory.  A flow-mod in a fill or
 * after a failure is for an address that no cache has: its binding's place in a table of many
 * megabytes.  These waits overlap if they begin some messages before.  It is a hint: what is read
 * here wrongly, or not at all, is only slower. */
#include "fe/internal.h"

#define FLOW_MOD_TABLE 24 /* where in the message (OpenFlow 1.3.5, section 7.3.4.1) */
#define FLOW_MOD_MATCH 48
#define MATCH_HEAD 4 /* type and length */
#define OXM_HAS_MASK 0x100

/* The address and VRF of a binding's match; false: it is another. */
static bool read_binding(struct reader *match, uint32_t *ret_vrf, struct address *ret)
{
	bool found = false;

	read_u16(match);
	*match = read_sub(match, read_u16(match) - (size_t)MATCH_HEAD);
	while (reader_left(match) && !match->failed) {
		uint32_t head = read_u32(match);
		struct reader field = read_sub(match, head & 0xff);
		uint8_t ipv4[4];

		if ((head & ~0xffu & ~OXM_HAS_MASK) ==
		    (ofp_field_header(OFP_FIELD_METADATA) & ~0xffu)) {
			*ret_vrf = (uint32_t)(read_u64(&field) & PIPELINE_METADATA_VRF);
		} else if (head == ofp_field_header(OFP_FIELD_IPV4_DST)) {
			read_bytes(&field, ipv4, sizeof(ipv4));
			*ret = address_from_ipv4(ipv4);
			found = !field.failed;
		} else if (head == ofp_field_header(OFP_FIELD_IPV6_DST)) {
			read_bytes(&field, ret->bytes, sizeof(ret->bytes));
			found = !field.failed;
		}
	}
	return found && !match->failed;
}

void request_ahead(void *connection, const uint8_t *bytes, size_t size)
{
	const struct agent_connection *c = connection;
	const struct agent_shell *shell = &c->agent->shell;
	struct reader match = reader_make(bytes, size);
	struct address address = {};
	uint32_t vrf = 0;

	if (!shell->datapath->binding_expect || size < FLOW_MOD_MATCH + MATCH_HEAD ||
	    bytes[1] != OFPT_FLOW_MOD || bytes[FLOW_MOD_TABLE] != TABLE_BINDING)
		return;
	read_skip(&match, FLOW_MOD_MATCH);
	if (read_binding(&match, &vrf, &address))
		shell->datapath->binding_expect(shell->context, vrf, &address);
}
