/* The MTU that nodes are told, by what the links to other FEs put in front of packets. */
#include "fe/router.h"

#include "fe/link.h"
#include "tests/unit/fe/fixture.h"

#include <string.h>

#define BACKPLANE 1600
#define DEVICE 9000 /* of the node's port */

struct place {
	struct pipeline pipeline;
	struct links links;
	struct router router;
};

static void place_open(struct place *p, uint16_t backplane_mtu)
{
	memset(p, 0, sizeof(*p));
	table_init(&p->pipeline.groups, sizeof(uint32_t), sizeof(struct pipeline_group), 1);
	table_init(&p->pipeline.ports, sizeof(uint32_t), sizeof(struct pipeline_port), 1);
	table_init(&p->links.list, sizeof(uint32_t), sizeof(struct backplane_link), 1);
	router_init(&p->router, &p->pipeline, &p->links, backplane_mtu, 1, 0);
}

static void place_close(struct place *p)
{
	router_finish(&p->router);
	table_finish(&p->links.list);
	table_finish(&p->pipeline.ports);
	table_finish(&p->pipeline.groups);
}

/* A link to FE 2; a provisioned one has a device of 1700 bytes. */
static uint32_t add_link(struct place *p, uint8_t kind, uint8_t labels)
{
	uint32_t number = kind < LINK_IP ? 20u + kind : PIPELINE_LINK_PORT(2);
	struct backplane_link *link = table_put(&p->links.list, &number, NULL);
	struct pipeline_port *port;

	link->plane.info =
		(struct link_info){.number = number, .fe = 2, .kind = kind, .label_count = labels};
	if (kind < LINK_IP) {
		port = table_put(&p->pipeline.ports, &number, NULL);
		port->present = true;
		port->port.info.mtu = 1700;
	}
	return number;
}

static void add_group(struct place *p, uint32_t fe, const char *address, bool vxlan, uint32_t path)
{
	struct pipeline_group *g = table_put(&p->pipeline.groups, &fe, NULL);

	g->present = true;
	g->group = (struct rule_group){.fe = fe,
				       .address = ip(address),
				       .vxlan = vxlan,
				       .path_count = path != 0,
				       .paths = {path}};
}

static void expect(uint8_t kind, uint8_t labels, uint32_t fe, const char *address, bool vxlan,
		   uint32_t mtu)
{
	struct place p;

	place_open(&p, kind < LINK_IP ? 0 : BACKPLANE);
	add_group(&p, fe, address, vxlan, add_link(&p, kind, labels));
	assert_int_equal(router_mtu(&p.router, DEVICE), mtu);
	place_close(&p);
}

static void provisioned_links_have_their_devices_mtu_without_labels(void **state)
{
	expect(LINK_ETHERNET, 0, 3, "172.16.3.1", false, 1680);
	expect(LINK_RAW, 0, 3, "172.16.3.1", true, 1650);
	expect(LINK_MPLS, 2, 3, "fd00::3", false, 1652);
}

static void routed_links_have_the_backplanes_without_the_carrier(void **state)
{
	expect(LINK_UDP, 0, 3, "172.16.3.1", false, 1552);
	expect(LINK_UDP, 0, 2, "fd00::2", true, 1482);
	expect(LINK_IP, 0, 3, "172.16.3.1", false, 1560);
	expect(LINK_IP, 0, 2, "172.16.2.1", false, 1580); /* its own end: nothing in front */
	expect(LINK_IP, 0, 3, "172.16.3.1", true, 1522);  /* VXLAN is in UDP */
}

static void the_least_of_all_counts(void **state)
{
	struct place p;

	place_open(&p, BACKPLANE);
	add_group(&p, 4, "172.16.4.1", false, 0);
	assert_int_equal(router_mtu(&p.router, DEVICE), 1580);
	add_group(&p, 3, "172.16.3.1", false, add_link(&p, LINK_UDP, 0));
	assert_int_equal(router_mtu(&p.router, DEVICE), 1552);
	assert_int_equal(router_mtu(&p.router, 1500), 1500);
	place_close(&p);
	place_open(&p, 1300); /* nodes cannot have less (RFC 8200, 5) */
	add_group(&p, 3, "172.16.3.1", false, add_link(&p, LINK_UDP, 0));
	assert_int_equal(router_mtu(&p.router, DEVICE), 1280);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provisioned_links_have_their_devices_mtu_without_labels),
		cmocka_unit_test(routed_links_have_the_backplanes_without_the_carrier),
		cmocka_unit_test(the_least_of_all_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
