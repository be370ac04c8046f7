/* What a port's packets do while it holds (bpf/hold.h), and how kept frames go on: by the element's
 * own device, in front of them inner_header, whose token only the agent and the programs have. */
#include "fe/io/datapath_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PACKET_SIZE_LEAST 20

/* Where the element's own device cannot be had nothing could go on. */
int datapath_port_hold(void *context, uint32_t number, bool holds)
{
	struct datapath *dp = datapath_of(context);
	int fd = map_fd(dp->skeleton->maps.outputs);
	struct map_output out;

	if (holds && !dp->config.inner_ifindex)
		return -EOPNOTSUPP;
	if (number >= DATAPLANE_PORT_LIMIT || bpf_map_lookup_elem(fd, &number, &out))
		return -ENOENT;
	out.ifindex = holds ? out.ifindex | MAP_OUTPUT_HOLD : out.ifindex & ~MAP_OUTPUT_HOLD;
	return map_result(bpf_map_update_elem(fd, &number, &out, 0));
}

int datapath_resume(void *context, const struct datapath_frame *frame)
{
	struct datapath *dp = datapath_of(context);
	const struct datapath_device *d = frame->own ? table_get(&dp->devices, &frame->port) : NULL;
	struct inner_header head = {.token = {dp->config.inner_token[0], dp->config.inner_token[1]},
				    .fe = dp->config.fe,
				    .detail = frame->own ? frame->vlan : frame->vrf,
				    .what = frame->own ? INNER_AGAIN : INNER_HELD,
				    .ifindex = d ? d->port.ifindex : 0};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)dp->config.inner_ifindex,
				 .sll_halen = ETH_ALEN};
	struct iovec parts[] = {
		{&head, sizeof(head)},
		{(uint8_t *)(uintptr_t)frame->data + ETH_HLEN, frame->size - ETH_HLEN}};
	struct msghdr message = {.msg_name = &to,
				 .msg_namelen = sizeof(to),
				 .msg_iov = parts,
				 .msg_iovlen = ARRAY_SIZE(parts)};

	if (!dp->config.inner_ifindex)
		return -EOPNOTSUPP;
	if (frame->own && !d)
		return -ENOENT;
	if (frame->size < ETH_HLEN + PACKET_SIZE_LEAST)
		return -EINVAL;
	memcpy(&head.eth, frame->data, ETH_HLEN);
	memcpy(to.sll_addr, head.eth.h_dest, ETH_ALEN);
	return sendmsg(dp->packet_fd, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}
