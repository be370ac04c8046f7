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

/* What was given to the maps for a peer can be told from its entry, but for its prefix. */
static struct map_source_key spread_key(const struct prefix *spread)
{
	struct map_source_key key = {.length = spread->length};

	memcpy(key.address, spread->address.bytes, sizeof(key.address));
	return key;
}

/* Takes the source away from the peer that has it, and from no other. */
static void source_remove(struct datapath *dp, uint32_t fe, const uint8_t source[16])
{
	int fd = map_fd(dp->skeleton->maps.peer_sources);
	struct map_peer_source s;

	if (!bpf_map_lookup_elem(fd, source, &s) && s.fe == fe)
		bpf_map_delete_elem(fd, source);
}

/* All of that peer's prefixes but 'keep'.  The map has few entries, and this happens seldom. */
static void prefixes_remove(struct datapath *dp, uint32_t fe, const struct map_source_key *keep)
{
	int fd = map_fd(dp->skeleton->maps.peer_prefixes);
	struct map_source_key key, next, *at = NULL;
	struct map_peer_source s;

	while (!bpf_map_get_next_key(fd, at, &next)) {
		/* A key that is gone would start the walk anew: the one before it is removed late.
		 */
		if (at && s.fe == fe && (!keep || memcmp(&key, keep, sizeof(key)) != 0))
			bpf_map_delete_elem(fd, &key);
		key = next;
		at = &key;
		if (bpf_map_lookup_elem(fd, &key, &s))
			s.fe = 0;
	}
	if (at && s.fe == fe && (!keep || memcmp(&key, keep, sizeof(key)) != 0))
		bpf_map_delete_elem(fd, &key);
}

static int sources_set(struct datapath *dp, const struct datapath_peer *p,
		       const struct map_peer *new, const struct map_peer *old)
{
	struct map_peer_source source = {.fe = p->fe, .vrf = p->vrf, .takes = p->receive};
	struct map_source_key spread = spread_key(&p->spread);
	bool spreads = p->receive && p->spread.length;
	int result = 0;

	if (p->receive)
		result = bpf_map_update_elem(map_fd(dp->skeleton->maps.peer_sources), new->address,
					     &source, 0);
	if (!result && spreads)
		result = bpf_map_update_elem(map_fd(dp->skeleton->maps.peer_prefixes), &spread,
					     &source, 0);
	if (result || !old)
		return result;
	if (memcmp(old->address, new->address, 16) != 0 || !p->receive)
		source_remove(dp, p->fe, old->address);
	prefixes_remove(dp, p->fe, spreads ? &spread : NULL);
	return 0;
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
	return map_result(result ? result : sources_set(dp, p, &new, had ? &old : NULL));
}

int datapath_peer_remove(void *context, uint32_t fe)
{
	struct datapath *dp = datapath_of(context);
	int fd = map_fd(dp->skeleton->maps.peers);
	struct map_peer old;

	table_remove(&dp->stale[STALE_PEER], &fe);
	if (bpf_map_lookup_elem(fd, &fe, &old))
		return -ENOENT;
	source_remove(dp, fe, old.address);
	prefixes_remove(dp, fe, NULL);
	return bpf_map_delete_elem(fd, &fe);
}
