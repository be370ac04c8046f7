/* pipeline/rule: any flow-mod or group-mod body; what is taken for a rule encodes to a flow that
 * is the same rule. */
#include "pipeline/rule.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_flow(struct reader body)
{
	static struct ofp_flow_mod f;
	struct rule rule, again;
	char flow[64], action[64];

	if (ofp_flow_mod_decode(&body, &f) < 0 || rule_from_flow_mod(&f, &rule) < 0)
		return;
	rule_to_flow_mod(&rule, OFPFC_ADD, &f);
	if (rule_from_flow_mod(&f, &again) < 0 || !rule_equal(&rule, &again))
		abort();
	rule_format(&rule, flow, sizeof(flow), action, sizeof(action));
}

static void try_group(struct reader body)
{
	static struct ofp_group_mod m;
	struct rule_group group, again;

	if (ofp_group_mod_decode(&body, &m) < 0 || rule_group_from_group_mod(&m, &group) < 0)
		return;
	rule_group_to_group_mod(&group, m.command, &m);
	if (rule_group_from_group_mod(&m, &again) < 0 || !rule_group_equal(&group, &again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		try_group(reader_make(data + 1, size - 1));
	else
		try_flow(reader_make(data + 1, size - 1));
	return 0;
}
