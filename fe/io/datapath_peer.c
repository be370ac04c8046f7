/* The backplane in BPF maps: this FE's own addresses (in 'config'), its peers, and whose outer
 * sources are taken: 'peer_sources' by address, 'peer_prefixes' for those that spread theirs. */
#include "fe/io/datapath_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

_Static_assert((int)MAP_TAKES_IPIP == ENCAPSULATION_IPIP &&
		       (int)MAP_TAKES_VXLAN == ENCAPSULATION_VXLAN &&
		       (int)UNDERLAY_IPV6 == FAMILY_IPV6 && DATAPLANE_PATHS == GROUP_PATHS_MAX &&
		       (int)DIFFSERV_FIXED == DIFFSERV_MODE_FIXED &&
		       (int)DIFFSERV_UNIFORM == DIFFSERV_MODE_UNIFORM,
	       "the maps' words differ");

/* ---- our own addresses ---- */

static int pair_check(const struct backplane_pair *p, bool is_ipv4, struct reason *why)
{
	if (address_is_zero(&p->address) != address_is_zero(&p->redirect))
		return reason_set(why, -EINVAL, "give both backplane addresses, or none");
	if (address_is_zero(&p->address))
		return 0;
	if (address_is_ipv4(&p->address) != is_ipv4 || address_is_ipv4(&p->redirect) != is_ipv4)
		return reason_set(why, -EAFNOSUPPORT,
				  "a pair of backplane addresses is of one family");
	if (address_equal(&p->address, &p->redirect))
		return reason_set(why, -EINVAL,
				  "the two backplane addresses are the same: the second one marks "
				  "redirected packets");
	if (p->spread.length && (p->spread.length < 96 || p->spread.length > 128))
		return reason_set(why, -EINVAL, "sources are spread over 32 bits at most");
	return 0;
}

int datapath_underlay_check(const struct backplane *b, struct reason *why)
{
	int result = pair_check(&b->pair[FAMILY_IPV4], true, why);

	return result ? result : pair_check(&b->pair[FAMILY_IPV6], false, why);
}

void datapath_underlay_fill(struct map_config *config, const struct backplane *b)
{
	for (unsigned i = 0; i < FAMILY_COUNT; i++) {
		const struct backplane_pair *p = &b->pair[i];
		struct map_underlay *u = &config->underlay[i];

		memcpy(u->address, p->address.bytes, 16);
		memcpy(u->redirect, p->redirect.bytes, 16);
		memcpy(u->spread, p->spread.address.bytes, 16);
		u->spread_mask = 0;
		if (p->spread.length >= 96)
			u->spread_mask =
				htobe32((uint32_t)((UINT64_C(1) << (128 - p->spread.length)) - 1));
	}
	config->diffserv = b->diffserv;
	config->dscp = b->dscp;
}

/* ---- peers ---- */

/* Takes the source away from the peer that has it, and from no other. */
static void address_remove(struct datapath *dp, uint32_t fe, const uint8_t source[16])
{
	int fd = map_fd(dp->skeleton->maps.peer_sources);
	struct map_peer_source s;

	if (!bpf_map_lookup_elem(fd, source, &s) && s.fe == fe)
		bpf_map_delete_elem(fd, source);
}

/* ---- labels ---- */

static void label_remove(struct datapath *dp, uint32_t fe, const uint8_t label[16])
{
	int fd = map_fd(dp->skeleton->maps.labels);
	uint32_t whose;

	if (!bpf_map_lookup_elem(fd, label, &whose) && whose == fe)
		bpf_map_delete_elem(fd, label);
}

static bool is_label_of(const struct map_peer *p, const uint8_t label[16])
{
	return p && p->flags & MAP_PEER_SEND &&
	       (!memcmp(p->address, label, 16) || !memcmp(p->redirect, label, 16));
}

/* What others send through here to that FE is addressed so.  'old' and 'new' may be NULL. */
static int labels_set(struct datapath *dp, uint32_t fe, const struct map_peer *new,
		      const struct map_peer *old)
{
	static const uint8_t none[16];
	int fd = map_fd(dp->skeleton->maps.labels), result = 0;

	if (old && !is_label_of(new, old->address))
		label_remove(dp, fe, old->address);
	if (old && !is_label_of(new, old->redirect))
		label_remove(dp, fe, old->redirect);
	if (!new || !(new->flags &MAP_PEER_SEND))
		return 0;
	result = bpf_map_update_elem(fd, new->address, &fe, 0);
	if (!result && memcmp(new->redirect, none, sizeof(none)) != 0)
		result = bpf_map_update_elem(fd, new->redirect, &fe, 0);
	return result;
}

int datapath_peer_set(void *context, const struct datapath_peer *p)
{
	struct datapath *dp = datapath_of(context);
	int fd = map_fd(dp->skeleton->maps.peers), result;
	struct map_peer new = {.vrf = p->vrf,
			       .vxlan = p->vxlan,
			       .path_count = p->path_count,
			       .select = p->select},
			old = {};
	struct map_peer_source source = {.fe = p->fe, .vrf = p->vrf, .takes = p->receive};
	bool had = !bpf_map_lookup_elem(fd, &p->fe, &old);

	if (address_is_zero(&p->address) || p->path_count > DATAPLANE_PATHS ||
	    (!address_is_zero(&p->redirect) &&
	     address_is_ipv4(&p->redirect) != address_is_ipv4(&p->address)))
		return -EAFNOSUPPORT;
	new.flags = (p->send ? MAP_PEER_SEND : 0) | (p->receive ? MAP_PEER_RECEIVE : 0);
	memcpy(new.address, p->address.bytes, 16);
	memcpy(new.redirect, p->redirect.bytes, 16);
	memcpy(new.paths, p->paths, p->path_count * sizeof(new.paths[0]));
	if (had && !memcmp(old.address, new.address, 16)) {
		new.mtu = old.mtu;
		new.mtu_until_s = old.mtu_until_s;
	}
	table_remove(&dp->stale[STALE_PEER], &p->fe);
	result = bpf_map_update_elem(fd, &p->fe, &new, 0);
	result = result ? result : labels_set(dp, p->fe, &new, had ? &old : NULL);
	if (!result && p->receive)
		result = bpf_map_update_elem(map_fd(dp->skeleton->maps.peer_sources), new.address,
					     &source, 0);
	if (!result && had && (memcmp(old.address, new.address, 16) != 0 || !p->receive))
		address_remove(dp, p->fe, old.address);
	return map_result(result);
}

int datapath_peer_remove(void *context, uint32_t fe)
{
	struct datapath *dp = datapath_of(context);
	int fd = map_fd(dp->skeleton->maps.peers);
	struct map_peer old;

	table_remove(&dp->stale[STALE_PEER], &fe);
	if (bpf_map_lookup_elem(fd, &fe, &old))
		return -ENOENT;
	labels_set(dp, fe, NULL, &old);
	address_remove(dp, fe, old.address);
	return bpf_map_delete_elem(fd, &fe);
}

static struct map_source_key source_key(const struct prefix *p)
{
	struct map_source_key key = {.length = p->length};

	memcpy(key.address, p->address.bytes, sizeof(key.address));
	return key;
}

int datapath_source_set(void *context, const struct datapath_source *s)
{
	struct datapath *dp = datapath_of(context);
	struct map_source_key key = source_key(&s->prefix);
	struct map_peer_source source = {.fe = s->fe, .vrf = s->vrf, .takes = s->receive};

	table_remove(&dp->stale[STALE_SOURCE], &key);
	return map_result(
		bpf_map_update_elem(map_fd(dp->skeleton->maps.peer_prefixes), &key, &source, 0));
}

int datapath_source_remove(void *context, const struct prefix *prefix)
{
	struct datapath *dp = datapath_of(context);
	struct map_source_key key = source_key(prefix);

	table_remove(&dp->stale[STALE_SOURCE], &key);
	return bpf_map_delete_elem(map_fd(dp->skeleton->maps.peer_prefixes), &key);
}
