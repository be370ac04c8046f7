/* Groups: "towards that FE" as the one OpenFlow group that it is, and back.  As with flows
 * (rule_decode.c), what was given is read, the one right group is built from that, and any
 * difference is named by an OpenFlow error. */
#include "pipeline/internal.h"

#include <assert.h>
#include <string.h>

/* 'path' is the link's number; 0: none, straight. */
static void fill_bucket(const struct rule_group *g, uint32_t path, struct ofp_bucket *ret)
{
	struct ofp_actions *a = &ret->actions;
	bool v4 = address_is_ipv4(&g->address);

	ret->weight = g->select ? 1 : 0;
	ret->watch_port = path ? path : OFPP_ANY;
	ret->watch_group = OFPG_ANY;
	ofp_actions_add_set_bytes(a, v4 ? OFP_FIELD_TUN_IPV4_DST : OFP_FIELD_TUN_IPV6_DST,
				  g->address.bytes + (v4 ? 12 : 0));
	if (!address_is_zero(&g->redirect)) {
		assert(address_is_ipv4(&g->redirect) == v4);
		ofp_actions_add_set_bytes(a, v4 ? OFP_FIELD_REG2 : OFP_FIELD_XXREG1,
					  g->redirect.bytes + (v4 ? 12 : 0));
	}
	if (path)
		ofp_actions_add_set(a, OFP_FIELD_REG3, path);
	if (g->limited) {
		ofp_actions_add_set(a, OFP_FIELD_REG3, PIPELINE_MEASURE);
		rule_add_resubmit(a);
		return;
	}
	ofp_actions_add_output(a, g->vxlan ? PIPELINE_VXLAN_PORT : PIPELINE_TUNNEL_PORT);
}

void rule_group_to_group_mod(const struct rule_group *g, enum ofp_group_mod_command command,
			     struct ofp_group_mod *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->command = (uint16_t)command;
	ret->type = OFPGT_INDIRECT;
	ret->group = g->fe;
	if (command == OFPGC_DELETE)
		return;
	if (g->path_count)
		ret->type = g->select ? OFPGT_SELECT : OFPGT_FAST_FAILOVER;
	ret->bucket_count = g->path_count ? g->path_count : 1;
	for (unsigned i = 0; i < ret->bucket_count; i++)
		fill_bucket(g, g->path_count ? g->paths[i] : 0, &ret->buckets[i]);
}

static int read_bucket(const struct ofp_actions *a, struct rule_group *ret)
{
	bool names_ipv6 = false, sets_redirect = false;

	for (unsigned i = 0; i < a->count; i++) {
		const struct ofp_match_field *f = &a->list[i].set_field;

		if (a->list[i].type == OFP_ACTION_OUTPUT)
			ret->vxlan = a->list[i].output.port == PIPELINE_VXLAN_PORT;
		if (a->list[i].type == OFP_ACTION_RESUBMIT)
			ret->vxlan = ret->limited = true;
		if (a->list[i].type != OFP_ACTION_SET_FIELD)
			continue;
		if (f->field == OFP_FIELD_TUN_IPV4_DST)
			ret->address = address_from_ipv4(f->value);
		else if (f->field == OFP_FIELD_TUN_IPV6_DST)
			ret->address = address_from_ipv6(f->value);
		else if (f->field == OFP_FIELD_REG2)
			ret->redirect = address_from_ipv4(f->value);
		else if (f->field == OFP_FIELD_XXREG1)
			ret->redirect = address_from_ipv6(f->value);
		else
			continue;
		names_ipv6 |= ofp_field_size(f->field) == 16;
		sets_redirect |= f->field == OFP_FIELD_REG2 || f->field == OFP_FIELD_XXREG1;
	}
	/* A redirect of zeros says nothing, and would not be written again; both are of one family,
	 * and an IPv6 address that is an IPv4 one would be written as that. */
	if (address_is_zero(&ret->address) || address_is_ipv4(&ret->address) == names_ipv6)
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	if (sets_redirect &&
	    (address_is_zero(&ret->redirect) || address_is_ipv4(&ret->redirect) == names_ipv6))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	return 0;
}

/* The paths of a group that has some, and whether its type and buckets are right for that. */
static int read_paths(const struct ofp_group_mod *m, struct rule_group *ret)
{
	if (m->type == OFPGT_ALL || m->type > OFPGT_FAST_FAILOVER)
		return -OFP_GROUP_MOD_FAILED_BAD_TYPE;
	if (!m->bucket_count || (m->type == OFPGT_INDIRECT && m->bucket_count != 1))
		return -OFP_GROUP_MOD_FAILED_BAD_BUCKET;
	if (m->bucket_count > GROUP_PATHS_MAX)
		return -OFP_GROUP_MOD_FAILED_OUT_OF_BUCKETS;
	if (m->type == OFPGT_INDIRECT)
		return 0;
	if (ret->limited)
		return -OFP_GROUP_MOD_FAILED_BAD_TYPE;
	ret->select = m->type == OFPGT_SELECT;
	ret->path_count = m->bucket_count;
	for (unsigned i = 0; i < m->bucket_count; i++) {
		ret->paths[i] = m->buckets[i].watch_port;
		if (!ret->paths[i] || ret->paths[i] >= OFPP_MAX)
			return -OFP_GROUP_MOD_FAILED_WATCH_UNSUPPORTED;
		for (unsigned j = 0; j < i; j++)
			if (ret->paths[j] == ret->paths[i])
				return -OFP_GROUP_MOD_FAILED_BAD_BUCKET;
	}
	return 0;
}

static int compare_buckets(const struct ofp_group_mod *m, const struct ofp_group_mod *right)
{
	for (unsigned i = 0; i < m->bucket_count; i++) {
		const struct ofp_bucket *a = &m->buckets[i], *b = &right->buckets[i];
		int r = rule_compare_actions(&a->actions, &b->actions);

		if (r < 0)
			return r;
		if (a->watch_port != b->watch_port || a->watch_group != b->watch_group)
			return -OFP_GROUP_MOD_FAILED_WATCH_UNSUPPORTED;
		if (m->type == OFPGT_SELECT && a->weight != b->weight)
			return -OFP_GROUP_MOD_FAILED_WEIGHT_UNSUPPORTED;
	}
	return 0;
}

int rule_group_from_group_mod(const struct ofp_group_mod *m, struct rule_group *ret)
{
	struct rule_group group = {.fe = m->group};
	struct ofp_group_mod right;
	int r;

	if (!m->group || m->group > PIPELINE_FE_MAX)
		return -OFP_GROUP_MOD_FAILED_INVALID_GROUP;
	if (m->command == OFPGC_DELETE) {
		*ret = group;
		return 0;
	}
	r = m->bucket_count ? read_bucket(&m->buckets[0].actions, &group)
			    : -OFP_GROUP_MOD_FAILED_BAD_BUCKET;
	if (r == 0)
		r = read_paths(m, &group);
	if (r < 0)
		return r;
	rule_group_to_group_mod(&group, OFPGC_ADD, &right);
	r = compare_buckets(m, &right);
	if (r == 0)
		*ret = group;
	return r;
}
