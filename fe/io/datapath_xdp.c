/* The short way (bpf/fast.h): what it knows of ports, and where it runs at XDP too.
 *
 * At XDP a frame is what the wire has: a sum that its sender left to a device, or segments that
 * somebody would cut later, are lost when it is redirected.  So that is for devices behind which is
 * a wire, or for those whose operator knows that nothing of it happens there. */
#include "fe/io/datapath_private.h"

#include "base/log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

LOG_MODULE("datapath");

#define PROGRAM_NAME "victor_xdp"

/* ---- devices ---- */

static int device_ask(const struct datapath *dp, uint32_t ifindex, unsigned long question,
		      struct ifreq *request)
{
	if (!if_indextoname(ifindex, request->ifr_name) || ioctl(dp->packet_fd, question, request))
		return -errno;
	return 0;
}

static bool device_is_physical(uint32_t ifindex)
{
	char name[IF_NAMESIZE], path[64];

	if (!if_indextoname(ifindex, name))
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	return access(path, F_OK) == 0;
}

/* A device that takes VLAN tags off hides them from XDP. */
static bool device_shows_tags(const struct datapath *dp, uint32_t ifindex)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};

	if (device_ask(dp, ifindex, SIOCETHTOOL, &request))
		return false;
	if (!(flags.data & ETH_FLAG_RXVLAN))
		return true;
	flags.cmd = ETHTOOL_SFLAGS;
	flags.data &= ~(uint32_t)ETH_FLAG_RXVLAN;
	return !device_ask(dp, ifindex, SIOCETHTOOL, &request);
}

/* ---- the program on a device ---- */

/* 0: none; 1: one of ours, of any release; -EEXIST: somebody else's. */
static int xdp_look(uint32_t ifindex)
{
	struct bpf_prog_info info = {};
	uint32_t id = 0, size = sizeof(info);
	int fd, result;

	if (bpf_xdp_query_id((int)ifindex, 0, &id) || !id)
		return 0;
	fd = bpf_prog_get_fd_by_id(id);
	result = fd < 0 ? -errno : bpf_obj_get_info_by_fd(fd, &info, &size);
	if (fd >= 0)
		close(fd);
	if (result)
		return -EEXIST;
	return strcmp(info.name, PROGRAM_NAME) == 0 ? 1 : -EEXIST;
}

void datapath_xdp_detach(uint32_t ifindex)
{
	int result;

	if (xdp_look(ifindex) != 1)
		return;
	result = bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, NULL);
	if (result && result != -ENODEV)
		log_warn("device %u keeps its XDP program: %s", ifindex, strerror(-result));
}

static bool xdp_is_wanted(const struct datapath *dp, const struct datapath_port *port)
{
	if (port->trunk || port->role == PORT_BACKPLANE)
		return false;
	return dp->xdp == DATAPATH_XDP_ON ||
	       (dp->xdp == DATAPATH_XDP_AUTO && device_is_physical(port->ifindex));
}

void datapath_xdp_set(struct datapath *dp, struct datapath_device *d)
{
	uint32_t ifindex = d->port.ifindex;
	int result;

	d->xdp = false;
	if (!xdp_is_wanted(dp, &d->port)) {
		datapath_xdp_detach(ifindex);
		return;
	}
	if (xdp_look(ifindex) < 0) {
		log_warn("device %u has an XDP program of somebody else's: packets go by tc alone",
			 ifindex);
		return;
	}
	if (!device_shows_tags(dp, ifindex)) {
		log_warn("device %u takes VLAN tags off (rxvlan), which cannot be turned off: "
			 "packets go by tc alone",
			 ifindex);
		datapath_xdp_detach(ifindex);
		return;
	}
	result = bpf_xdp_attach((int)ifindex, bpf_program__fd(dp->skeleton->progs.victor_xdp),
				XDP_FLAGS_DRV_MODE, NULL);
	if (result) {
		log_warn("device %u takes no XDP program (%s): packets go by tc alone", ifindex,
			 strerror(-result));
		datapath_xdp_detach(ifindex);
	}
	d->xdp = !result;
}

/* ---- what the short way knows ---- */

static bool fast_read(const struct datapath *dp, uint32_t ifindex, uint32_t *ret_at,
		      struct map_fast_port *ret)
{
	*ret_at = ifindex & (DATAPLANE_FAST_PORTS - 1);
	return !bpf_map_lookup_elem(map_fd(dp->skeleton->maps.fast_ports), ret_at, ret) &&
	       (!ret->ifindex || ret->ifindex == ifindex);
}

int datapath_fast_write(const struct datapath *dp, const struct datapath_device *d,
			const struct map_port *in)
{
	struct ifreq request = {};
	struct map_fast_port f;
	uint32_t at;

	/* Another port's: this one's packets go the long way. */
	if (!fast_read(dp, d->port.ifindex, &at, &f) ||
	    device_ask(dp, d->port.ifindex, SIOCGIFHWADDR, &request))
		return 0;
	f = (struct map_fast_port){.ifindex = d->port.ifindex,
				   .number = in->number,
				   .vrf = in->vrf,
				   .role = in->role,
				   .flags = in->flags,
				   .xdp = d->xdp};
	memcpy(f.mac, request.ifr_hwaddr.sa_data, sizeof(f.mac));
	return bpf_map_update_elem(map_fd(dp->skeleton->maps.fast_ports), &at, &f, 0);
}

void datapath_fast_remove(const struct datapath *dp, uint32_t ifindex)
{
	struct map_fast_port f;
	uint32_t at;

	if (!fast_read(dp, ifindex, &at, &f) || !f.ifindex)
		return;
	memset(&f, 0, sizeof(f));
	bpf_map_update_elem(map_fd(dp->skeleton->maps.fast_ports), &at, &f, 0);
}
