/* What an operator declares of a forwarding element that cannot tell it: an Open vSwitch bridge
 * knows nothing of VICTOR's experimenter messages.  A victor-fe says all this itself. */
#pragma once

#include "controller/inventory.h"
#include "pipeline/experimenter.h"

#define DECLARED_PORTS_MAX 64
#define DECLARED_ELEMENTS_MAX 1024
#define DECLARED_NETNS_SIZE 128

struct declared_port {
	char match[OFP_PORT_NAME_SIZE]; /* the port's name; '*' and '?' as in file names */
	uint8_t role;                   /* enum port_role: access or external */
	uint32_t segment;
	char identity[PORT_IDENTITY_SIZE];
	/* External, by family (FAMILY_IPV4...): the FE's own address there, and the router that all
	 * traffic goes to; zero: none. */
	struct declared_way {
		struct address address, next_hop;
		uint8_t length; /* of the network there, in 128 bits */
	} ways[FAMILY_COUNT];
	/* A routing daemon speaks for the FE there, on our side: by this device, in this network
	 * namespace (empty: ours); the shell's business.  No device: none does. */
	struct declared_routing {
		char netns[DECLARED_NETNS_SIZE], device[OFP_PORT_NAME_SIZE];
	} routing;
};

struct declared_element {
	char name[NAME_SIZE];
	uint32_t id;              /* its datapath id */
	struct address backplane; /* local_ip of its tunnel port */
	uint16_t backplane_mtu;   /* 0: not known, 1500 is supposed */
	unsigned idle_probe_ms;   /* a node that was not heard for so long is asked; 0: 30000 */
	unsigned idle_give_up_ms; /* and gone, if it does not answer for so long; 0: 3000 */
	unsigned port_count;
	struct declared_port ports[DECLARED_PORTS_MAX];
};
