/* lab-attach: what a routing daemon has no word for.  It hears a station's announcement at either
 * access port, as victor-fe does, and says by kernel routes where the station is: at the site that
 * it came to and at the one that it left, and with --everywhere at all sites, which is the bound of
 * what routes can do.  One process for all sites: nobody has to tell it of the other's part.  Or
 * one process a site, of which none knows another: a site takes its route away when its access
 * port's carrier goes.
 *
 * Uses netns.c; lab/peers.py runs it. */
#include "base/memory.h"
#include "lab/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
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
	int links;              /* likewise, the kernel's notices; -1: nobody asks */
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

static int open_links(struct netns *n)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = netns_socket(n, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("the kernel's notices", fd < 0 ? fd : errno);
	return fd;
}

/* "NETNS,ADDRESS[,DEVICE]" */
static void open_site(struct site *s, char *text, bool alone)
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
	s->links = alone && s->device ? open_links(&n) : -1;
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

/* Whether the kernel says that the access port has no carrier any more. */
static bool loses_carrier(const struct site *s)
{
	union {
		struct nlmsghdr header;
		char bytes[16384];
	} said;
	ssize_t got = recv(s->links, &said, sizeof(said), 0);
	int left = (int)got;
	bool lost = false;

	for (struct nlmsghdr *m = &said.header; got > 0 && NLMSG_OK(m, (unsigned)left);
	     m = NLMSG_NEXT(m, left)) {
		const struct ifinfomsg *link = NLMSG_DATA(m);

		if (m->nlmsg_type == RTM_NEWLINK && (unsigned)link->ifi_index == s->device)
			lost = !(link->ifi_flags & IFF_LOWER_UP);
	}
	return lost;
}

/* What was heard at sites[new]: routes there, and at the others. */
static void heard(const struct site *sites, int count, int new, struct in_addr station,
		  bool everywhere)
{
	if (!announces(sites[new].heard, station))
		return;
	change(&sites[new], station, true, NULL);
	for (int i = 0; i < count; i++)
		if (i != new &&everywhere)
			change(&sites[i], station, true, &sites[new]);
		else if (i != new &&sites[i].device)
			change(&sites[i], station, false, NULL);
}

int main(int argc, char **argv)
{
	bool everywhere = argc > 1 && strcmp(argv[1], "--everywhere") == 0;
	bool alone = argc > 1 && strcmp(argv[1], "--alone") == 0;
	int first = everywhere || alone ? 2 : 1, count = argc - first - 1;
	struct site sites[SITES_MAX];
	struct pollfd polled[2 * SITES_MAX];
	struct in_addr station;

	if (count < 1 || count > SITES_MAX || inet_pton(AF_INET, argv[first], &station) != 1) {
		fprintf(stderr, "usage: lab-attach [--everywhere | --alone] STATION "
				"NETNS,ADDRESS[,DEVICE]...\n");
		return 2;
	}
	for (int i = 0; i < count; i++) {
		open_site(&sites[i], argv[first + 1 + i], alone);
		polled[i] = (struct pollfd){.fd = sites[i].heard, .events = POLLIN};
		polled[count + i] = (struct pollfd){.fd = sites[i].links, .events = POLLIN};
	}
	for (;;) {
		if (poll(polled, 2 * (nfds_t)count, -1) < 0 && errno != EINTR)
			die("poll", errno);
		for (int i = 0; i < count; i++) {
			if (polled[count + i].revents & POLLIN && loses_carrier(&sites[i]))
				change(&sites[i], station, false, NULL);
			if (polled[i].revents & POLLIN)
				heard(sites, count, i, station, everywhere);
		}
	}
}
