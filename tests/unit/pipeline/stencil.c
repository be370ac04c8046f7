/* pipeline/stencil: whatever the rule, its bytes are the encoder's. */
#include "pipeline/stencil.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned seed = 4711;

static uint32_t any(uint32_t below)
{
	return (uint32_t)rand_r(&seed) % below;
}

static struct mac any_mac(void)
{
	struct mac mac;

	for (unsigned i = 0; i < sizeof(mac.bytes); i++)
		mac.bytes[i] = (uint8_t)any(256);
	return mac;
}

static struct address any_address(bool ipv6)
{
	struct address a;

	for (unsigned i = 0; i < sizeof(a.bytes); i++)
		a.bytes[i] = (uint8_t)any(256);
	return ipv6 ? a : address_from_ipv4(a.bytes);
}

static struct rule any_rule(void)
{
	static const enum rule_kind kinds[] = {RULE_GUARD, RULE_LOCAL, RULE_FOREIGN,
					       RULE_TENTATIVE};
	struct rule r = {.key = {.kind = (uint8_t)kinds[any(ARRAY_SIZE(kinds))],
				 .vrf = any(2) ? any(PIPELINE_VRF_MAX) : 0,
				 .address = any_address(any(2))},
			 .cookie = (uint64_t)any(1u << 30) << 32 | any(1u << 30)};

	if (r.key.kind == RULE_GUARD) {
		r.key.port = any(PIPELINE_PORT_MAX);
		r.key.vlan = any(2) ? (uint16_t)any(4095) : 0;
		r.key.mac = any_mac();
	} else if (r.key.kind == RULE_FOREIGN) {
		r.fe = 1 + any(PIPELINE_FE_MAX);
	} else {
		r.port = any(PIPELINE_PORT_MAX);
		r.vlan = any(2) ? (uint16_t)any(4095) : 0;
		r.mac = any_mac();
		r.gateway_mac = any_mac();
		r.idle_timeout = r.key.kind == RULE_TENTATIVE ? (uint16_t)any(10) : 0;
	}
	return r;
}

static void every_flow_mod_is_what_the_encoder_makes(void **state)
{
	static const enum ofp_flow_mod_command commands[] = {OFPFC_ADD, OFPFC_DELETE_STRICT,
							     OFPFC_MODIFY_STRICT};
	struct stencils *s = stencils_create();
	struct buffer copied = {0}, encoded = {0};

	for (unsigned i = 0; i < 20000; i++) {
		struct rule r = any_rule();
		enum ofp_flow_mod_command command = commands[any(ARRAY_SIZE(commands))];
		struct ofp_flow_mod mod;
		uint32_t xid = any(1u << 30);

		buffer_clear(&copied);
		buffer_clear(&encoded);
		stencils_flow_mod(s, &r, command, xid, &copied);
		rule_to_flow_mod(&r, command, &mod);
		ofp_flow_mod_encode(&encoded, xid, &mod);
		assert_int_equal(copied.size, encoded.size);
		assert_memory_equal(copied.data, encoded.data, encoded.size);
	}
	buffer_finish(&copied);
	buffer_finish(&encoded);
	stencils_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flow_mod_is_what_the_encoder_makes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
