/* A LAN that several FEs share (docs/southbound.md): each node on it has one FE that is designated
 * for it, and the LAN has one that is its gateway.  Which one that is the controller says, by the
 * gateway's MAC in LOCAL rules and by LISTEN rules that do not answer.
 *
 * When another FE takes over, the LAN's switches may send us the node's packets for a moment yet,
 * until they have heard that FE: so the one that hands over goes on taking them for LEAVING_MS. */
#include "fe/pipeline.h"

#include "base/log.h"

#include <string.h>

LOG_MODULE("pipeline");

#define LEAVING_MS 2000
#define LEAVING_MAX 65536

bool pipeline_is_beside(const struct pipeline *p, const struct rule *local)
{
	const struct agent_port *port = pipeline_port(p, local->port);

	return port && port->info.segment && mac_equal(&local->gateway_mac, &port->mac);
}

bool pipeline_is_silent(const struct pipeline *p, uint32_t port)
{
	struct rule_key key = {.kind = RULE_LISTEN, .port = port, .ethertype = ETHERTYPE_ARP_};
	const struct pipeline_entry *listen = pipeline_find(p, &key);

	return listen && listen->rule.silent && !table_get(&p->leaving, &key);
}

/* Another FE has the part that this rule would have had. */
static bool is_others(const struct pipeline *p, const struct rule *rule)
{
	return rule->key.kind == RULE_LISTEN ? rule->silent : pipeline_is_beside(p, rule);
}

void pipeline_note_leaving(struct pipeline *p, const struct rule *old, const struct rule *new)
{
	if (new->key.kind != RULE_LISTEN &&new->key.kind != RULE_LOCAL)
		return;
	if (!is_others(p, new))
		table_remove(&p->leaving, &new->key);
	else if (old && !is_others(p, old) && p->leaving.count < LEAVING_MAX)
		*(int64_t *)table_put(&p->leaving, &new->key, NULL) = p->now_ms + LEAVING_MS;
}

void pipeline_tick_leaving(struct pipeline *p)
{
	size_t at = 0;
	const void *key;
	void *until;

	while (table_next(&p->leaving, &at, &key, &until)) {
		struct rule rule = {0};

		if (p->now_ms < *(const int64_t *)until)
			continue;
		memcpy(&rule.key, key, sizeof(rule.key));
		table_remove(&p->leaving, &rule.key);
		if (pipeline_find(p, &rule.key) && pipeline_derive(p, &rule) < 0)
			log_warn_rl("the data plane goes on taking what a node on a shared LAN "
				    "sends");
	}
}
