/* The MTU that nodes are told (fe/router.h): what fits into the tunnel to every other FE, behind
 * whatever its links put in front.  Of links further on nothing is known here; what they cannot
 * carry is answered (docs/mtu.md). */
#include "fe/router.h"

#include "fe/link.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define VXLAN_HEADERS 30 /* UDP, VXLAN, Ethernet */
#define LABEL_SIZE 4

static uint32_t ip_header(const struct rule_group *g)
{
	return address_is_ipv4(&g->address) ? IPV4_HEADER : IPV6_HEADER;
}

static uint32_t less(uint32_t mtu, uint32_t by)
{
	return mtu > by ? mtu - by : 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* What a link has in front of the outer header.  bpf/path.h does so: VXLAN in an IP link's carrier
 * is in UDP. */
static uint32_t carrier_size(const struct link_info *link, const struct rule_group *g)
{
	if (link->kind == LINK_MPLS)
		return link->label_count * LABEL_SIZE;
	if (link->kind == LINK_UDP)
		return ip_header(g) + UDP_HEADER;
	if (link->kind != LINK_IP || link->fe == g->fe)
		return 0;
	return ip_header(g) + (g->vxlan ? UDP_HEADER : 0);
}

/* Of outer packets by that link; 0: not known. */
static uint32_t link_mtu(const struct router *r, const struct link_info *link,
			 const struct rule_group *g)
{
	const struct agent_port *port = pipeline_port(r->pipeline, link->number);
	uint32_t device = port ? port->info.mtu : 0;

	if (link->kind == LINK_IP || link->kind == LINK_UDP)
		device = r->backplane_mtu;
	return least(less(device, carrier_size(link, g)), link->mtu);
}

static uint32_t group_mtu(const struct router *r, const struct rule_group *g)
{
	uint32_t mtu = g->path_count ? 0 : r->backplane_mtu;

	for (unsigned i = 0; i < g->path_count; i++) {
		const struct backplane_link *link =
			r->links ? links_find(r->links, g->paths[i]) : NULL;

		if (link)
			mtu = least(mtu, link_mtu(r, &link->plane.info, g));
	}
	return less(mtu, ip_header(g) + (g->vxlan ? VXLAN_HEADERS : 0));
}

uint32_t router_mtu(const struct router *r, uint32_t device)
{
	uint32_t mtu = least(device, less(r->backplane_mtu, IPV4_HEADER));
	size_t at = 0;
	void *value;

	while (table_next(&r->pipeline->groups, &at, NULL, &value)) {
		const struct pipeline_group *g = value;

		if (g->present)
			mtu = least(mtu, group_mtu(r, &g->group));
	}
	return mtu && mtu < ND_MTU_LEAST ? ND_MTU_LEAST : mtu;
}
