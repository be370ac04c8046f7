/* Ports: the program at a device's way in, its entries in the maps 'ports' (by ifindex),
 * 'outputs' (by number) and 'limits', promiscuity, its counters and frames sent out of it. */
#include "fe/io/datapath_private.h"

#include "base/log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_MODULE("datapath");

static struct bpf_program *program_for(const struct datapath *dp, uint8_t role)
{
	switch ((enum port_role)role) {
	case PORT_ACCESS:
		return dp->skeleton->progs.victor_access;
	case PORT_BACKPLANE:
		return dp->skeleton->progs.victor_backplane;
	case PORT_EXTERNAL:
		return dp->skeleton->progs.victor_external;
	}
	return NULL;
}

/* Sets or clears promiscuity by the device's flag, which outlives this process.  Returns whether
 * that changed anything. */
static bool promiscuous_set(const struct datapath *dp, uint32_t ifindex, bool on)
{
	struct ifreq request = {};

	if (!if_indextoname(ifindex, request.ifr_name) ||
	    ioctl(dp->packet_fd, SIOCGIFFLAGS, &request))
		return false;
	if (!!(request.ifr_flags & IFF_PROMISC) == on)
		return false;
	request.ifr_flags ^= IFF_PROMISC;
	return !ioctl(dp->packet_fd, SIOCSIFFLAGS, &request);
}

static void device_maps_remove(struct datapath *dp, uint32_t ifindex)
{
	datapath_fast_remove(dp, ifindex);
	bpf_map_delete_elem(map_fd(dp->skeleton->maps.ports), &ifindex);
	bpf_map_delete_elem(map_fd(dp->skeleton->maps.limits), &ifindex);
	if (dp->config.backplane_ifindex == ifindex) {
		dp->config.backplane_ifindex = 0;
		datapath_config_write(dp);
	}
}

static void device_release(struct datapath *dp, struct datapath_device *d)
{
	datapath_hook_clear(dp, d->port.ifindex, HOOK_XDP);
	datapath_filter_detach(dp, d->port.ifindex);
	if (d->promiscuous)
		promiscuous_set(dp, d->port.ifindex, false);
	device_maps_remove(dp, d->port.ifindex);
	d->attached = false;
	d->promiscuous = false;
}

static int device_maps_write(struct datapath *dp, const struct datapath_device *d)
{
	const struct datapath_port *port = &d->port;
	struct map_port in = {.number = port->number,
			      .vrf = port->vrf,
			      .role = port->role,
			      .listen = port->listen,
			      .kind = port->link};
	struct map_output out = {.ifindex = port->ifindex, .mtu = port->mtu};
	struct map_limits limits = {};
	int result;

	in.flags = (uint8_t)((port->trunk ? MAP_PORT_TRUNK : 0) |
			     (port->admitted ? MAP_PORT_ADMITTED : 0) |
			     (port->shared ? MAP_PORT_SHARED : 0) |
			     (port->silent ? MAP_PORT_SILENT : 0) |
			     (port->admitted6 ? MAP_PORT_ADMITTED6 : 0) |
			     (d->promiscuous ? MAP_PORT_PROMISCUOUS : 0));
	result = bpf_map_update_elem(map_fd(dp->skeleton->maps.limits), &port->ifindex, &limits,
				     BPF_NOEXIST);
	if (result && result != -EEXIST)
		return map_result(result);
	result = bpf_map_update_elem(map_fd(dp->skeleton->maps.outputs), &port->number, &out, 0);
	if (!result)
		result = bpf_map_update_elem(map_fd(dp->skeleton->maps.ports), &port->ifindex, &in,
					     0);
	if (!result)
		result = datapath_fast_write(dp, d, &in);
	if (!result && port->role == PORT_BACKPLANE && !port->link &&
	    (!dp->config.backplane_ifindex || dp->config.backplane_ifindex == port->ifindex)) {
		dp->config.backplane_ifindex = port->ifindex;
		dp->config.device_mtu = port->mtu;
		result = datapath_config_write(dp);
	}
	return map_result(result);
}

/* Another backplane port takes over as the underlay's ingress for route lookups. */
static void backplane_choose(struct datapath *dp)
{
	const void *key;
	struct datapath_device *d;
	size_t at = 0;

	while (!dp->config.backplane_ifindex && table_next(&dp->devices, &at, &key, (void **)&d))
		if (d->port.role == PORT_BACKPLANE && !d->port.link && d->attached) {
			dp->config.backplane_ifindex = d->port.ifindex;
			dp->config.device_mtu = d->port.mtu;
			datapath_config_write(dp);
		}
}

int datapath_port_set(void *context, const struct datapath_port *port)
{
	struct datapath *dp = datapath_of(context);
	struct bpf_program *program = program_for(dp, port->role);
	struct datapath_device *d;
	int result;

	if (!program || !port->number || port->number >= DATAPLANE_PORT_LIMIT || !port->ifindex)
		return -EINVAL;
	d = table_put(&dp->devices, &port->number, NULL);
	if (d->port.ifindex && (d->port.ifindex != port->ifindex || d->port.role != port->role))
		device_release(dp, d);
	d->port = *port;
	d->adopted = false;
	if (!d->promiscuous && port->role == PORT_ACCESS)
		d->promiscuous = promiscuous_set(dp, port->ifindex, true);
	if (!d->attached)
		datapath_xdp_set(dp, d);
	result = device_maps_write(dp, d);
	if (!result && !d->attached)
		result = datapath_filter_attach(dp, program, port->ifindex, BPF_TC_INGRESS);
	if (result) {
		datapath_port_remove(context, port->number);
		return result;
	}
	d->attached = true;
	return 0;
}

int datapath_port_remove(void *context, uint32_t number)
{
	struct datapath *dp = datapath_of(context);
	struct datapath_device *d = table_get(&dp->devices, &number);
	struct map_output nothing = {};

	if (!d)
		return -ENOENT;
	bpf_map_update_elem(map_fd(dp->skeleton->maps.outputs), &number, &nothing, 0);
	device_release(dp, d);
	datapath_guard_forget(dp, number);
	table_remove(&dp->devices, &number);
	backplane_choose(dp);
	return 0;
}

/* What the pins say of ports, so that bindings find theirs before the ports are set again. */
void datapath_adopt_devices(struct datapath *dp)
{
	int fd = map_fd(dp->skeleton->maps.ports);
	uint32_t ifindex, *previous = NULL;
	struct map_output out;
	struct map_port in;

	while (!bpf_map_get_next_key(fd, previous, &ifindex)) {
		previous = &ifindex;
		datapath_xdp_take_off_old(ifindex);
		if (bpf_map_lookup_elem(fd, &ifindex, &in) ||
		    bpf_map_lookup_elem(map_fd(dp->skeleton->maps.outputs), &in.number, &out))
			continue;
		*(struct datapath_device *)table_put(&dp->devices, &in.number, NULL) =
			(struct datapath_device){
				.port = {.number = in.number,
					 .ifindex = ifindex,
					 .role = in.role,
					 .trunk = in.flags & MAP_PORT_TRUNK,
					 .admitted = in.flags & MAP_PORT_ADMITTED,
					 .admitted6 = in.flags & MAP_PORT_ADMITTED6,
					 .shared = in.flags & MAP_PORT_SHARED,
					 .silent = in.flags & MAP_PORT_SILENT,
					 .listen = in.listen,
					 .link = in.kind,
					 .mtu = (uint16_t)out.mtu,
					 .vrf = in.vrf},
				.promiscuous = in.flags & MAP_PORT_PROMISCUOUS,
				.adopted = true};
	}
}

void datapath_adopt_done(struct datapath *dp)
{
	struct datapath_context context = {dp};
	const void *key;
	struct datapath_device *d;
	size_t at = 0;

	while (table_next(&dp->devices, &at, &key, (void **)&d))
		if (d->adopted)
			datapath_port_remove(&context, d->port.number);
	datapath_sweep_entries(dp);
}

void datapath_detach_all(struct datapath *dp)
{
	const void *key;
	struct datapath_device *d;
	size_t at = 0;

	while (table_next(&dp->devices, &at, &key, (void **)&d))
		device_release(dp, d);
}

/* One request and its answer, RTM_GETSTATS: the device's 64-bit counters. */
static int link_stats(struct datapath *dp, uint32_t ifindex, struct rtnl_link_stats64 *ret)
{
	struct {
		struct nlmsghdr head;
		struct if_stats_msg message;
	} request = {
		{sizeof(request), RTM_GETSTATS, NLM_F_REQUEST, ++dp->route_sequence, 0},
		{.ifindex = ifindex, .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)}};
	struct {
		struct nlmsghdr head;
		struct if_stats_msg message;
		struct nlattr attribute;
		struct rtnl_link_stats64 stats;
		uint8_t more[512];
	} __attribute__((packed)) answer;
	ssize_t size;

	if (send(dp->route_fd, &request, sizeof(request), 0) < 0)
		return -errno;
	do {
		size = recv(dp->route_fd, &answer, sizeof(answer), 0);
		if (size < 0)
			return -errno;
	} while ((size_t)size >= sizeof(answer.head) &&
		 answer.head.nlmsg_seq != dp->route_sequence);
	if ((size_t)size < sizeof(answer) - sizeof(answer.more) - sizeof(answer.stats) ||
	    answer.head.nlmsg_type != RTM_NEWSTATS)
		return -ENODEV;
	memset(ret, 0, sizeof(*ret));
	size -= (ssize_t)offsetof(typeof(answer), stats);
	memcpy(ret, &answer.stats, (size_t)size < sizeof(*ret) ? (size_t)size : sizeof(*ret));
	return 0;
}

int datapath_port_stats(void *context, uint32_t number, struct ofp_port_stats *ret)
{
	struct datapath *dp = datapath_of(context);
	const struct datapath_device *d = table_get(&dp->devices, &number);
	struct rtnl_link_stats64 s;
	int result;

	if (!d)
		return -ENOENT;
	result = link_stats(dp, d->port.ifindex, &s);
	if (result)
		return result;
	*ret = (struct ofp_port_stats){.port = number,
				       .rx_packets = s.rx_packets,
				       .tx_packets = s.tx_packets,
				       .rx_bytes = s.rx_bytes,
				       .tx_bytes = s.tx_bytes,
				       .rx_dropped = s.rx_dropped,
				       .tx_dropped = s.tx_dropped,
				       .rx_errors = s.rx_errors,
				       .tx_errors = s.tx_errors};
	return 0;
}

int datapath_transmit(void *context, uint32_t port, const void *frame, size_t size)
{
	struct datapath *dp = datapath_of(context);
	const struct datapath_device *d = table_get(&dp->devices, &port);
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};

	if (!d)
		return -ENOENT;
	if (size < 14)
		return -EINVAL;
	to.sll_ifindex = (int)d->port.ifindex;
	memcpy(to.sll_addr, frame, 6);
	if (sendto(dp->packet_fd, frame, size, MSG_DONTWAIT, (const struct sockaddr *)&to,
		   sizeof(to)) < 0)
		return -errno;
	return 0;
}
