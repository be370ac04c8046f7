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

static uint32_t xdp_id(uint32_t ifindex)
{
	uint32_t id = 0;

	return bpf_xdp_query_id((int)ifindex, 0, &id) ? 0 : id;
}

void datapath_xdp_take_off_old(uint32_t ifindex)
{
	struct bpf_prog_info info = {};
	uint32_t id = xdp_id(ifindex), size = sizeof(info);
	int fd = id ? bpf_prog_get_fd_by_id(id) : -ENOENT;

	if (fd < 0)
		return;
	/* One that is there by a link is not to be detached so: -EBUSY. */
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && strcmp(info.name, PROGRAM_NAME) == 0)
		(void)bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, NULL);
	close(fd);
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
		datapath_hook_clear(dp, ifindex, HOOK_XDP);
		return;
	}
	if (xdp_id(ifindex) && !datapath_hook_is_set(dp, ifindex, HOOK_XDP)) {
		log_warn("device %u has an XDP program of somebody else's: packets go by tc alone",
			 ifindex);
		return;
	}
	if (!device_shows_tags(dp, ifindex)) {
		log_warn("device %u takes VLAN tags off (rxvlan), which cannot be turned off: "
			 "packets go by tc alone",
			 ifindex);
		datapath_hook_clear(dp, ifindex, HOOK_XDP);
		return;
	}
	result = datapath_hook_set(dp, dp->skeleton->progs.victor_xdp, ifindex, HOOK_XDP,
				   XDP_FLAGS_DRV_MODE);
	if (result)
		log_warn("device %u takes no XDP program (%s): packets go by tc alone", ifindex,
			 strerror(-result));
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
