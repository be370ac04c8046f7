/* Nodes of a switch that fell silent.  A victor-fe sees by itself when a node's packets stop, asks
 * it, and says when it gives up; for a switch the guard flows' statistics are read every few
 * seconds, and what stopped growing is asked by ARP
 * or neighbour discovery.  An answer is a claim like any other, so it is
 * in the attachment's heard_ms. */
#include "controller/ovs.h"

#include "controller/element.h"
#include "controller/probe.h"

#define PROBE_MS 30000
#define GIVE_UP_MS 3000
#define ASKING_MS 1000 /* how often the silent are asked */
#define LOST_MS 10000  /* statistics that never came */

static int64_t probe_ms(const struct ovs *o)
{
	return o->declared.idle_probe_ms ? o->declared.idle_probe_ms : PROBE_MS;
}

static int64_t give_up_ms(const struct ovs *o)
{
	return o->declared.idle_give_up_ms ? o->declared.idle_give_up_ms : GIVE_UP_MS;
}

void ovs_idle_tick(struct element *e)
{
	struct ofp_flow_stats_request request = {
		.table = TABLE_GUARD, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct ovs *o = e->ovs;
	int64_t pause = probe_ms(o) / 3;
	int64_t passed = e->core->now_ms - o->idle_ms;

	if (o->idle_asking && pause > ASKING_MS)
		pause = ASKING_MS;
	if (e->state != ELEMENT_ONLINE || passed < pause || (o->idle_xid && passed < LOST_MS))
		return;
	o->idle_ms = e->core->now_ms;
	o->idle_xid = channel_xid(&e->session->channel);
	ofp_flow_stats_request_encode(&e->session->channel.out, o->idle_xid, OFPMP_FLOW, &request);
	e->session->channel.count.messages_out++;
	e->core->shell.flush(e->core->shell.context, e->session);
}

static void count(struct element *e, const struct rule *rule, uint64_t packets)
{
	const struct node *n =
		inventory_node_by_address(&e->core->inventory, rule->key.vrf, &rule->key.address);
	struct attachment_record *r = n ? attachment_find(e->core, n->id) : NULL;

	if (r && !r->detached && r->a.place.fe == e->id && r->a.place.port == rule->key.port)
		aside_obtain(e->core, r)->idle.counting += packets;
}

/* True: it answers no more. */
static bool judge(struct element *e, struct attachment_record *r)
{
	struct aside *a = aside_obtain(e->core, r);
	int64_t now = e->core->now_ms, heard;

	if (a->idle.counting != a->idle.packets || !a->idle.heard_ms)
		a->idle.heard_ms = now;
	a->idle.packets = a->idle.counting;
	a->idle.counting = 0;
	heard = a->idle.heard_ms > r->a.heard_ms ? a->idle.heard_ms : r->a.heard_ms;
	if (now - heard < probe_ms(e->ovs)) {
		a->idle.asked_ms = 0;
		return false;
	}
	if (!a->idle.asked_ms)
		a->idle.asked_ms = now;
	if (now - a->idle.asked_ms >= give_up_ms(e->ovs))
		return true;
	e->ovs->idle_asking = true;
	probe_place(e->core, r, &r->a.place);
	return false;
}

static void give_up(struct element *e, const struct attachment_record *r)
{
	struct silent silent = {.port = r->a.place.port, .cookie = version_to_cookie(r->a.version)};
	const struct node *n = record_node(e->core, r);

	if (!n)
		return;
	silent.vrf = n->vrf;
	silent.address = n->addresses[0];
	attachment_silent(e->core, e, &silent);
}

static void judge_all(struct element *e)
{
	size_t at = 0;
	struct port *p;

	e->ovs->idle_asking = false;
	while (table_next(&e->ports, &at, NULL, (void **)&p)) {
		struct attachment_record *next;

		for (struct attachment_record *r = record_at(e->core, p->first); r; r = next) {
			next = record_at(e->core, r->port_next);
			if (p->number && judge(e, r))
				give_up(e, r);
		}
	}
}

int ovs_idle_flows(struct element *e, struct ofp_multipart *m)
{
	struct ofp_flow_stats flow;
	struct rule rule;
	int r;

	if (m->type != OFPMP_FLOW)
		return 0;
	while ((r = ofp_flow_stats_next(&m->body, &flow)) == 1)
		if (rule_from_flow_stats(&flow, &rule) == 0 && rule.key.kind == RULE_GUARD)
			count(e, &rule, flow.packet_count);
	if (r < 0 || m->more)
		return r;
	e->ovs->idle_xid = 0;
	if (e->synced)
		judge_all(e);
	return 0;
}
