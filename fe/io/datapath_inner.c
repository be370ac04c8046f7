/* The device of the long way (bpf/inner.h): an ifb named after the FE, that takes IPv6 for one
 * random address, the route that has the kernel unwrap what is sent there, and the program at its
 * way out. All of it outlives this process, like the pins; datapath.c makes and removes it with
 * them. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <linux/seg6_local.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_MODULE("datapath");

#define INNER_MTU (1 << 18) /* more than any packet of many segments */

unsigned if_nametoindex(const char *name); /* net/if.h and linux/if.h exclude each other */

/* Whichever element's it is: by this it is told from a stranger of the same name. */
static const uint8_t inner_mac[6] = {0x02, 0x56, 0x49, 0x43, 0x54, 0x52};

/* ---- requests ---- */

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct rtmsg route;
	} body;
	uint8_t attributes[256];
};

static void request_begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_type = type;
	r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	r->head.nlmsg_len = (uint32_t)NLMSG_SPACE(body);
}

/* The sizes of all requests below are known: they fit. */
static struct rtattr *request_put(struct request *r, uint16_t type, const void *bytes, size_t size)
{
	struct rtattr *at = (void *)((uint8_t *)r + r->head.nlmsg_len);

	at->rta_type = type;
	at->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(at), bytes, size);
	r->head.nlmsg_len += (uint32_t)RTA_SPACE(size);
	return at;
}

static void request_end_nest(const struct request *r, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((const uint8_t *)r + r->head.nlmsg_len - (uint8_t *)nest);
}

static int request_send(struct datapath *dp, struct request *r)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		uint8_t more[1024];
	} answer;
	ssize_t size;

	r->head.nlmsg_seq = ++dp->route_sequence;
	if (send(dp->route_fd, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	do {
		size = recv(dp->route_fd, &answer, sizeof(answer), 0);
		if (size < 0)
			return -errno;
	} while (answer.head.nlmsg_seq != dp->route_sequence);
	if ((size_t)size < NLMSG_SPACE(sizeof(answer.error)) ||
	    answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.error.error;
}

/* ---- the device ---- */

static void device_name(uint32_t fe, char name[IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, DATAPATH_DEVICE_PREFIX "%u", fe);
}

/* Its index; 0: none of that name, or not one of ours. */
static uint32_t device_find(const struct datapath *dp, const char *name)
{
	struct ifreq request = {};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(dp->packet_fd, SIOCGIFHWADDR, &request) ||
	    memcmp(request.ifr_hwaddr.sa_data, inner_mac, sizeof(inner_mac)) != 0)
		return 0;
	return if_nametoindex(name);
}

static int device_create(struct datapath *dp, const char *name)
{
	struct request r;
	struct rtattr *info;
	uint32_t mtu = INNER_MTU;

	request_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(r.body.link));
	request_put(&r, IFLA_IFNAME, name, strlen(name) + 1);
	request_put(&r, IFLA_ADDRESS, inner_mac, sizeof(inner_mac));
	request_put(&r, IFLA_MTU, &mtu, sizeof(mtu));
	info = request_put(&r, IFLA_LINKINFO, NULL, 0);
	request_put(&r, IFLA_INFO_KIND, "ifb", 4);
	request_end_nest(&r, info);
	return request_send(dp, &r);
}

static int device_delete(struct datapath *dp, uint32_t ifindex)
{
	struct request r;

	request_begin(&r, RTM_DELLINK, 0, sizeof(r.body.link));
	r.body.link.ifi_index = (int)ifindex;
	return request_send(dp, &r);
}

/* IPv6 on, whatever the machine's default is; without an address of the kernel's own making. */
static int device_start(struct datapath *dp, const char *name, uint32_t ifindex)
{
	char *path = memory_format("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	uint8_t no_addresses = IN6_ADDR_GEN_MODE_NONE;
	struct rtattr *families, *ipv6;
	struct request r;
	int result, fd;

	request_begin(&r, RTM_SETLINK, 0, sizeof(r.body.link));
	r.body.link.ifi_index = (int)ifindex;
	families = request_put(&r, IFLA_AF_SPEC, NULL, 0);
	ipv6 = request_put(&r, AF_INET6, NULL, 0);
	request_put(&r, IFLA_INET6_ADDR_GEN_MODE, &no_addresses, 1);
	request_end_nest(&r, ipv6);
	request_end_nest(&r, families);
	result = request_send(dp, &r);
	/* Where it cannot be written it may be right already: the route will tell. */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "0", 1);
		close(fd);
	}
	free(path);
	if (result)
		return result;
	request_begin(&r, RTM_SETLINK, 0, sizeof(r.body.link));
	r.body.link.ifi_index = (int)ifindex;
	r.body.link.ifi_flags = r.body.link.ifi_change = IFF_UP;
	return request_send(dp, &r);
}

/* In the table 'local', which no routing daemon announces. */
static int route_set(struct datapath *dp, uint32_t ifindex)
{
	uint16_t kind = LWTUNNEL_ENCAP_SEG6_LOCAL;
	uint32_t action = SEG6_LOCAL_ACTION_END_DX2;
	struct rtattr *encapsulation;
	struct request r;

	request_begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(r.body.route));
	r.body.route = (struct rtmsg){.rtm_family = AF_INET6,
				      .rtm_dst_len = 128,
				      .rtm_table = RT_TABLE_LOCAL,
				      .rtm_protocol = RTPROT_STATIC,
				      .rtm_type = RTN_UNICAST};
	request_put(&r, RTA_DST, dp->config.inner_address, 16);
	request_put(&r, RTA_OIF, &ifindex, sizeof(ifindex));
	request_put(&r, RTA_ENCAP_TYPE, &kind, sizeof(kind));
	encapsulation = request_put(&r, RTA_ENCAP, NULL, 0);
	request_put(&r, SEG6_LOCAL_ACTION, &action, sizeof(action));
	request_put(&r, SEG6_LOCAL_OIF, &ifindex, sizeof(ifindex));
	request_end_nest(&r, encapsulation);
	encapsulation->rta_type |= NLA_F_NESTED;
	return request_send(dp, &r);
}

/* An address and a token that nobody can guess.  5f00::/16 is for SRv6 (RFC 9602). */
static int secrets_make(struct datapath *dp)
{
	if (getrandom(dp->config.inner_token, sizeof(dp->config.inner_token), 0) !=
		    sizeof(dp->config.inner_token) ||
	    getrandom(dp->config.inner_address, sizeof(dp->config.inner_address), 0) !=
		    sizeof(dp->config.inner_address))
		return -EIO;
	dp->config.inner_token[0] |= 1;
	dp->config.inner_address[0] = 0x5f;
	dp->config.inner_address[1] = 0;
	return 0;
}

static int device_make(struct datapath *dp, const char *name, uint32_t *ret)
{
	uint32_t found = device_find(dp, name);
	int result = 0;

	*ret = found;
	if (found && dp->config.inner_token[0])
		return 0;
	/* Another state's: its route and secrets go with it. */
	if (found)
		result = device_delete(dp, found);
	result = result ? result : secrets_make(dp);
	result = result ? result : device_create(dp, name);
	*ret = result ? 0 : if_nametoindex(name);
	return result;
}

void datapath_inner_open(struct datapath *dp)
{
	char name[IFNAMSIZ];
	uint32_t ifindex;
	int result;

	device_name(dp->config.fe, name);
	result = device_make(dp, name, &ifindex);
	result = result ? result : device_start(dp, name, ifindex);
	result = result ? result : route_set(dp, ifindex);
	result = result ? result
			: datapath_filter_attach(dp, dp->skeleton->progs.victor_inner, ifindex,
						 BPF_TC_EGRESS);
	memcpy(dp->config.inner_mac, inner_mac, sizeof(inner_mac));
	dp->config.inner_ifindex = result ? 0 : ifindex;
	if (!result) {
		struct map_limits limits = {};

		bpf_map_update_elem(map_fd(dp->skeleton->maps.limits), &ifindex, &limits, 0);
		return;
	}
	datapath_inner_remove(dp, dp->config.fe);
	log_warn(
		"taps get packets in pieces, slowly: device %s cannot be used (%s); it needs IPv6, "
		"the kernel's module ifb and CONFIG_IPV6_SEG6_LWTUNNEL",
		name, strerror(-result));
}

void datapath_inner_remove(struct datapath *dp, uint32_t fe)
{
	char name[IFNAMSIZ];
	uint32_t ifindex;
	int result;

	device_name(fe, name);
	ifindex = device_find(dp, name);
	datapath_hook_clear(dp, ifindex, HOOK_OUT);
	result = ifindex ? device_delete(dp, ifindex) : 0;
	if (result)
		log_warn("device %s cannot be removed: %s", name, strerror(-result));
}
