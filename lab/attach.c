/* lab-attach: what a routing daemon has no word for.  It hears a station's announcement at either
 * access port, as victor-fe does, and says by kernel routes where the station is: at the site that
 * it came to and at the one that it left, and with --everywhere at all sites, which is the bound of
 * what routes can do.  One process for all sites: nobody has to tell it of the other's part.
 *
 * Uses netns.c; lab/peers.py runs it. */
#include "base/memory.h"
#include "lab/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SITES_MAX 8

struct site {
	struct in_addr address; /* the other sites' next hop */
	unsigned device;        /* of its access port; 0: it has none */
	int heard, routes;      /* sockets; 'heard' -1: without an access port */
};

struct route_message {
	struct nlmsghdr header;
	struct rtmsg info;
	struct {
		struct rtattr attribute;
		uint32_t value;
	} destination, where;
};

static NORETURN void die(const char *what, int error)
{
	fprintf(stderr, "lab-attach: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static int open_port(struct netns *n, unsigned device)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ARP),
				 .sll_ifindex = (int)device};
	int fd = netns_socket(n, AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("packet socket", errno);
	return fd;
}

/* "NETNS,ADDRESS[,DEVICE]" */
static void open_site(struct site *s, char *text)
{
	const char *path = strsep(&text, ","), *address = strsep(&text, ",");
	struct netns n;
	int r = netns_open(&n, path);

	if (r < 0)
		die(path, r);
	if (!address || inet_pton(AF_INET, address, &s->address) != 1)
		die(path, EINVAL);
	s->device = text ? netns_device(&n, text) : 0;
	if (text && !s->device)
		die(text, ENODEV);
	s->heard = s->device ? open_port(&n, s->device) : -1;
	s->routes = netns_socket(&n, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (s->routes < 0 || (s->device && s->heard < 0))
		die("sockets", s->routes < 0 ? s->routes : s->heard);
	netns_close(&n);
}

/* As "ip route replace STATION dev DEVICE", "via ADDRESS" or "ip route del STATION dev DEVICE". */
static void change(const struct site *s, struct in_addr station, bool add, const struct site *via)
{
	struct route_message m = {
		.header = {.nlmsg_len = sizeof(m),
			   .nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE,
			   .nlmsg_flags = NLM_F_REQUEST | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0)},
		.info = {.rtm_family = AF_INET,
			 .rtm_dst_len = 32,
			 .rtm_table = RT_TABLE_MAIN,
			 .rtm_protocol = add ? RTPROT_STATIC : RTPROT_UNSPEC,
			 .rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
			 .rtm_type = RTN_UNICAST},
		.destination = {{sizeof(m.destination), RTA_DST}, station.s_addr},
		.where = {{sizeof(m.where), via ? RTA_GATEWAY : RTA_OIF},
			  via ? via->address.s_addr : s->device},
	};

	if (!add)
		m.info.rtm_scope = RT_SCOPE_NOWHERE;
	/* A route that is not there cannot be removed: no news. */
	if (send(s->routes, &m, sizeof(m), 0) < 0)
		die("a route", errno);
}

/* The station's own announcement. */
static bool announces(int fd, struct in_addr station)
{
	struct {
		struct ether_header ethernet;
		struct ether_arp arp;
	} frame;
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	ssize_t got = recvfrom(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&from, &size);

	return got == sizeof(frame) && from.sll_pkttype != PACKET_OUTGOING &&
	       memcmp(frame.arp.arp_spa, &station, sizeof(station)) == 0 &&
	       memcmp(frame.arp.arp_tpa, &station, sizeof(station)) == 0;
}

int main(int argc, char **argv)
{
	bool everywhere = argc > 1 && strcmp(argv[1], "--everywhere") == 0;
	int first = everywhere ? 2 : 1, count = argc - first - 1;
	struct site sites[SITES_MAX];
	struct pollfd polled[SITES_MAX];
	struct in_addr station;

	if (count < 2 || count > SITES_MAX || inet_pton(AF_INET, argv[first], &station) != 1) {
		fprintf(stderr, "usage: lab-attach [--everywhere] STATION "
				"NETNS,ADDRESS[,DEVICE]...\n");
		return 2;
	}
	for (int i = 0; i < count; i++) {
		open_site(&sites[i], argv[first + 1 + i]);
		polled[i] = (struct pollfd){.fd = sites[i].heard, .events = POLLIN};
	}
	for (;;) {
		if (poll(polled, (nfds_t)count, -1) < 0 && errno != EINTR)
			die("poll", errno);
		for (int new = 0; new < count; new ++) {
			if (!(polled[new].revents & POLLIN) ||
			    !announces(sites[new].heard, station))
				continue;
			change(&sites[new], station, true, NULL);
			for (int i = 0; i < count; i++)
				if (i != new &&everywhere)
					change(&sites[i], station, true, &sites[new]);
				else if (i != new &&sites[i].device)
					change(&sites[i], station, false, NULL);
		}
	}
}
