/* Admission: modes, ports' identity, and who came first.
 *
 * In a strict prefix only the inventory's nodes bind; in a first-come one whoever claims a free
 * address is put into the inventory with its MAC, durably; in an open one (labs) whoever comes is,
 * for as long as it is there.
 *
 * What a claim proves.  MAC and address can be copied, so a claim on a port that nobody attests
 * proves nothing, one on a port that the host attests for the node proves that it is there, and a
 * signed one proves who made it.  A claim that proves as much as the place where the node is, and
 * something at all, is believed as design P4a says; one that proves less, or nothing, only if that
 * place is silent when asked (probing.c). */
#include "controller/admission.h"

#include "controller/element.h"
#include "controller/registrar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum admission_mode mode_of_prefix(const struct core *c, const struct covered_prefix *p)
{
	return p->mode ? (enum admission_mode)(p->mode - 1) : c->config.admission;
}

static enum admission_mode mode_of(const struct core *c, uint32_t vrf,
				   const struct address addresses[], unsigned count)
{
	enum admission_mode mode = ADMISSION_OPEN;

	for (unsigned i = 0; i < count; i++) {
		const struct covered_prefix *p =
			inventory_prefix(&c->inventory, vrf, &addresses[i]);
		enum admission_mode its = p ? mode_of_prefix(c, p) : ADMISSION_STRICT;

		if (its == ADMISSION_STRICT)
			return its;
		if (its == ADMISSION_FIRST_COME)
			mode = its;
	}
	return mode;
}

enum admission_mode admission_mode_of(const struct core *c, const struct node *n)
{
	return mode_of(c, n->vrf, n->addresses, n->address_count);
}

bool admission_is_attested(const struct node *n, const struct port *p)
{
	return p->info.identity[0] && (strcmp(p->info.identity, n->id) == 0 ||
				       words_has(node_list(n, NODE_LABELS), p->info.identity));
}

const char *admission_refuses_site(const struct core *c, const struct node *n,
				   const struct element *e)
{
	const char *sites = node_list(n, NODE_ALLOW_SITES);
	const char *labels = node_list(n, NODE_ALLOW_LABELS);
	const struct site *site;

	if (!sites[0] && !labels[0])
		return NULL;
	site = sites_of(&c->inventory.sites, e->name);
	if (sites[0] && (!site || !words_has(sites, site->name)))
		return "not-this-site";
	if (labels[0] && (!site || !words_meet(labels, site->labels.text)))
		return "not-this-label";
	return NULL;
}

const char *admission_refuses(const struct core *c, const struct node *n, const struct element *e,
			      const struct port *p)
{
	const char *ports = node_list(n, NODE_ALLOW_PORTS);

	if (admission_mode_of(c, n) != ADMISSION_OPEN && p->info.identity[0] &&
	    !admission_is_attested(n, p))
		return "another-nodes-port";
	if (ports[0] && !words_match(ports, p->name))
		return "not-this-port";
	return admission_refuses_site(c, n, e);
}

/* --- proof --------------------------------------------------------------------------------- */

enum proof admission_proof(const struct core *c, const struct attachment_record *r)
{
	const struct element *e = element_find(c, r->a.place.fe);
	const struct port *p = e ? element_find_port(e, r->a.place.port) : NULL;
	const struct node *n = record_node(c, r);

	if (r->detached || r->proof == PROOF_SIGNED)
		return r->detached ? PROOF_NONE : PROOF_SIGNED;
	return p && n && admission_is_attested(n, p) ? PROOF_PORT : PROOF_NONE;
}

bool admission_needs_silence(const struct core *c, const struct attachment_record *r,
			     const struct claim *claim)
{
	enum proof here = admission_proof(c, r);
	const struct element *e = element_find(c, r->a.place.fe);
	const struct node *n = record_node(c, r);

	if (c->config.shared_ports != SHARED_PORTS_ASK || r->detached || !n ||
	    admission_mode_of(c, n) == ADMISSION_OPEN)
		return false;
	if (claim->proof && claim->proof >= here)
		return false;
	/* Nobody can be there.  (An FE without a session is no silent port.) */
	return !(e && e->synced && r->a.place.port && !element_place_up(c, &r->a.place));
}

/* --- who came first ------------------------------------------------------------------------ */

bool admission_keeps(const struct core *c, const struct node *n)
{
	return n->learned && admission_mode_of(c, n) == ADMISSION_FIRST_COME;
}

bool core_is_claimed(const struct core *c, const struct node *n)
{
	return admission_keeps(c, n);
}

static void keep(struct core *c, const struct node *n)
{
	struct node_spec spec;

	if (!c->shell.keep_node || !admission_keeps(c, n))
		return;
	node_describe(n, &spec);
	c->shell.keep_node(c->shell.context, &spec);
}

/* One more address of a node that was learned before, by its MAC. */
static const struct node *extend(struct core *c, const struct node *n, const struct address *a)
{
	struct node_spec after;
	struct node *before;

	if (!n->learned || n->address_count == NODE_ADDRESSES_MAX)
		return NULL;
	node_describe(n, &after);
	after.addresses[after.address_count++] = *a;
	before = node_copy(n);
	n = NULL;
	if (mode_of(c, after.vrf, after.addresses, after.address_count) ==
		    admission_mode_of(c, before) &&
	    inventory_put_node(&c->inventory, &after, NULL) == 0) {
		n = inventory_node(&c->inventory, after.id);
		attachment_node_changed(c, n, before);
		keep(c, n);
	}
	free(before);
	return n;
}

static bool is_learned(const struct node *n)
{
	return n && n->learned;
}

/* One machine cannot take all that is free. */
static bool may_claim(const struct core *c, const struct port *p)
{
	unsigned here = 0;

	for (const struct attachment_record *r = record_at(c, p ? p->first : 0); r;
	     r = record_at(c, r->port_next))
		here += is_learned(record_node(c, r));
	return here < CLAIMED_EACH_PORT_MAX && c->claimed_count < CLAIMED_MAX;
}

static const struct node *add(struct core *c, const struct node_spec *n, bool first_come)
{
	const struct node *known;

	if (inventory_put_node(&c->inventory, n, NULL) < 0)
		return NULL;
	report(c, EVENT_NODE_ADDED, NULL, NULL, 0, "%s: %s", n->id,
	       first_come ? "claimed by who came first" : "learned");
	known = inventory_node(&c->inventory, n->id);
	attachment_node_changed(c, known, NULL);
	c->claimed_count += first_come;
	keep(c, known);
	return known;
}

const struct node *admission_learn(struct core *c, uint32_t vrf, const struct address *a,
				   const struct mac *mac, const struct port *p, const char **why)
{
	const struct covered_prefix *prefix = inventory_prefix(&c->inventory, vrf, a);
	enum admission_mode mode = prefix ? mode_of_prefix(c, prefix) : ADMISSION_STRICT;
	bool first_come = mode == ADMISSION_FIRST_COME;
	struct node_spec n = {.vrf = vrf, .address_count = 1, .learned = true};
	const struct node *known;
	char id[ADDRESS_TEXT_SIZE];

	*why = "unknown-node";
	if (mode == ADMISSION_STRICT || prefix->signed_only || (first_come && !mac))
		return NULL;
	known = mac ? inventory_node_by_mac(&c->inventory, vrf, mac) : NULL;
	if (known)
		return extend(c, known, a);
	if (first_come && !may_claim(c, p)) {
		*why = "too-many-claimed";
		return NULL;
	}
	address_format(a, id);
	if (inventory_node(&c->inventory, id))
		return NULL; /* somebody else has this name */
	name_copy(n.id, id);
	n.addresses[0] = *a;
	n.mobile = prefix->mobile;
	if (mac)
		n.mac = *mac;
	return add(c, &n, first_come);
}

int admission_check_claimed(const struct core *c, const struct node_spec *n, struct reason *why)
{
	if (mode_of(c, n->vrf, n->addresses, n->address_count) == ADMISSION_FIRST_COME)
		return 0;
	return reason_set(why, -EINVAL,
			  "%s: it had its address by coming first, and the prefix is not "
			  "first-come any more",
			  n->id);
}

int core_release(struct core *c, const char *who, int64_t now_ms, char ret_id[NAME_SIZE],
		 struct reason *why)
{
	const struct node *n = NULL;
	struct address address;

	core_set_now(c, now_ms);
	if (address_parse(who, &address) == 0)
		n = inventory_node_by_address(&c->inventory, DEFAULT_VRF, &address);
	if (!n)
		n = inventory_node(&c->inventory, who);
	if (!n)
		return reason_set(why, -ENOENT, "%.*s: nobody has it", NAME_SIZE - 1, who);
	if (!n->learned)
		return reason_set(why, -EEXIST,
				  "%.*s: node %s of the inventory has it, not by coming first; "
				  "change the inventory",
				  NAME_SIZE - 1, who, n->id);
	name_copy(ret_id, n->id);
	return core_remove_node(c, ret_id, now_ms, why);
}
