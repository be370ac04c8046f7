/* Backplane links: their elements in the maps 'links', 'link_ends', 'link_counts' and the durable
 * 'rule_links', and the FE's own words sent over them: by the device, or by the kernel's routes
 * behind a header that we write. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"
#include "packet/datagram.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_MODULE("datapath");

#define ETHERTYPE_MPLS 0x8847
#define MPLS_BOTTOM 0x100u
#define MPLS_TTL 64u
#define MPLS_LABEL_SIZE 4
#define CARRIER_TTL 64

_Static_assert(MAP_LINK_ETHERNET == (int)LINK_ETHERNET && MAP_LINK_UDP == (int)LINK_UDP &&
		       DATAPLANE_LABELS == LINK_LABELS_MAX &&
		       DATAPLANE_LINK_PORT == PIPELINE_LINK_PORT(0),
	       "links differ");

static bool is_logical(const struct link_info *i)
{
	return i->kind == LINK_IP || i->kind == LINK_UDP;
}

/* ---- maps ---- */

static void fill_labels(const struct link_info *i, struct map_link *ret)
{
	ret->label_count = i->label_count;
	ret->label_in = i->label_in;
	for (unsigned n = 0; n < i->label_count; n++)
		ret->labels[n] = htonl(i->labels[n] << 12 |
				       (n + 1 == i->label_count ? MPLS_BOTTOM : 0) | MPLS_TTL);
}

/* The device's own MAC; zero where it has none. */
static void fill_mac(const struct datapath *dp, uint32_t ifindex, struct map_link *ret)
{
	struct ifreq request = {};

	if (if_indextoname(ifindex, request.ifr_name) &&
	    !ioctl(dp->packet_fd, SIOCGIFHWADDR, &request))
		memcpy(ret->mac, request.ifr_hwaddr.sa_data, sizeof(ret->mac));
}

static void fill_device(const struct datapath *dp, const struct datapath_link *link,
			const struct datapath_device *d, struct map_link *ret)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint32_t labels = link->info.label_count * MPLS_LABEL_SIZE;

	ret->ifindex = d->port.ifindex;
	if (!ret->mtu && d->port.mtu > labels)
		ret->mtu = d->port.mtu - labels;
	if (link->info.kind == LINK_RAW)
		return;
	fill_mac(dp, d->port.ifindex, ret);
	memcpy(ret->neighbor, mac_is_zero(&link->neighbor) ? all : link->neighbor.bytes,
	       sizeof(ret->neighbor));
}

static struct map_carrier_key carrier_key(const struct datapath_link *link)
{
	struct map_carrier_key key = {.port = htons(link->carrier_port)};

	memcpy(key.address, link->carrier.bytes, sizeof(key.address));
	return key;
}

/* What leads to the link from where its packets come from; only if it leads to this one. */
static void ends_forget(struct datapath *dp, const struct datapath_link *link)
{
	int ends = map_fd(dp->skeleton->maps.link_ends);
	int carriers = map_fd(dp->skeleton->maps.carriers);
	struct map_carrier_key key = carrier_key(link);
	uint32_t whose;

	if (!bpf_map_lookup_elem(ends, link->info.remote.bytes, &whose) &&
	    whose == link->info.number)
		bpf_map_delete_elem(ends, link->info.remote.bytes);
	if (!bpf_map_lookup_elem(carriers, &key, &whose) && whose == link->info.number)
		bpf_map_delete_elem(carriers, &key);
}

static int ends_set(struct datapath *dp, const struct datapath_link *link)
{
	struct map_carrier_key key = carrier_key(link);
	int result;

	if (!is_logical(&link->info))
		return 0;
	result = bpf_map_update_elem(map_fd(dp->skeleton->maps.link_ends), link->info.remote.bytes,
				     &link->info.number, 0);
	if (!result && link->carrier_port)
		result = bpf_map_update_elem(map_fd(dp->skeleton->maps.carriers), &key,
					     &link->info.number, 0);
	return result;
}

static int counts_make(struct datapath *dp, uint32_t number)
{
	struct map_counter *zero = memory_alloc_array(dp->cpus, sizeof(*zero));
	int result = bpf_map_update_elem(map_fd(dp->skeleton->maps.link_counts), &number, zero,
					 BPF_NOEXIST);

	free(zero);
	return result == -EEXIST ? 0 : result;
}

static bool same_ends(const struct datapath_link *a, const struct datapath_link *b)
{
	return address_equal(&a->info.remote, &b->info.remote) &&
	       address_equal(&a->carrier, &b->carrier) && a->carrier_port == b->carrier_port;
}

static int durable_write(struct datapath *dp, const struct datapath_link *link)
{
	int fd = map_fd(dp->skeleton->maps.rule_links);
	struct datapath_link was;

	if (!bpf_map_lookup_elem(fd, &link->info.number, &was) && !same_ends(&was, link))
		ends_forget(dp, &was);
	return bpf_map_update_elem(fd, &link->info.number, link, 0);
}

int datapath_link_set(void *context, const struct datapath_link *link)
{
	struct datapath *dp = datapath_of(context);
	uint32_t number = link->info.number;
	struct map_link new = {.fe = link->info.fe,
			       .mtu = link->info.mtu,
			       .kind = link->info.kind,
			       .alive = link->alive,
			       .carrier_port = htons(link->carrier_port)};
	const struct datapath_device *d = table_get(&dp->devices, &number);
	int result;

	table_remove(&dp->stale[STALE_LINK], &number);
	memcpy(new.remote, link->info.remote.bytes, sizeof(new.remote));
	memcpy(new.carrier, link->carrier.bytes, sizeof(new.carrier));
	fill_labels(&link->info, &new);
	if (!is_logical(&link->info) && d)
		fill_device(dp, link, d, &new);
	/* One without its device is there too, dead: what points to it finds that. */
	result = bpf_map_update_elem(map_fd(dp->skeleton->maps.links), &number, &new, 0);
	result = result ? result : counts_make(dp, number);
	result = result ? result : durable_write(dp, link);
	result = result ? result : ends_set(dp, link);
	if (!result && !is_logical(&link->info) && !d)
		return -ENOENT;
	return map_result(result);
}

int datapath_link_remove(void *context, uint32_t number)
{
	struct datapath *dp = datapath_of(context);
	struct datapath_link was;

	table_remove(&dp->stale[STALE_LINK], &number);
	if (!bpf_map_lookup_elem(map_fd(dp->skeleton->maps.rule_links), &number, &was))
		ends_forget(dp, &was);
	(void)bpf_map_delete_elem(map_fd(dp->skeleton->maps.link_counts), &number);
	(void)bpf_map_delete_elem(map_fd(dp->skeleton->maps.link_mtus), &number);
	(void)bpf_map_delete_elem(map_fd(dp->skeleton->maps.rule_links), &number);
	return bpf_map_delete_elem(map_fd(dp->skeleton->maps.links), &number);
}

void datapath_link_count(void *context, uint32_t number, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	struct datapath *dp = datapath_of(context);
	struct map_counter *each = memory_alloc_array(dp->cpus, sizeof(*each));

	*ret_packets = *ret_bytes = 0;
	if (!bpf_map_lookup_elem(map_fd(dp->skeleton->maps.link_counts), &number, each))
		for (unsigned i = 0; i < dp->cpus; i++) {
			*ret_packets += each[i].packets;
			*ret_bytes += each[i].bytes;
		}
	free(each);
}

void datapath_adopt_links(struct datapath *dp, void (*link)(void *to, const struct datapath_link *),
			  void *to)
{
	int fd = map_fd(dp->skeleton->maps.rule_links);
	uint32_t number, *previous = NULL;
	struct datapath_link l;

	for (; !bpf_map_get_next_key(fd, previous, &number); previous = &number)
		if (!bpf_map_lookup_elem(fd, &number, &l) && l.info.number == number)
			link(to, &l);
}

/* ---- sending ---- */

static int send_by_device(struct datapath *dp, const struct datapath_device *d, const void *bytes,
			  size_t size, uint16_t protocol)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)d->port.ifindex,
				 .sll_protocol = htons(protocol)};

	return sendto(dp->packet_fd, bytes, size, MSG_DONTWAIT, (const struct sockaddr *)&to,
		      sizeof(to)) < 0
		       ? -errno
		       : 0;
}

static uint16_t ethertype_of(const void *packet)
{
	return *(const uint8_t *)packet >> 4 == 4 ? 0x0800 : 0x86dd;
}

static int send_frame(struct datapath *dp, const struct datapath_device *d,
		      const struct map_link *link, const void *packet, size_t size)
{
	struct buffer b = {0};
	int result;

	if (link->kind == MAP_LINK_RAW)
		return send_by_device(dp, d, packet, size, ethertype_of(packet));
	buffer_add_bytes(&b, link->neighbor, sizeof(link->neighbor));
	buffer_add_bytes(&b, link->mac, sizeof(link->mac));
	write_u16(&b, link->label_count ? ETHERTYPE_MPLS : ethertype_of(packet));
	buffer_add_bytes(&b, link->labels, link->label_count * sizeof(link->labels[0]));
	buffer_add_bytes(&b, packet, size);
	result = send_by_device(dp, d, b.data, b.size, ETHERTYPE_MPLS);
	buffer_finish(&b);
	return result;
}

/* The kernel fills in IPv4's sum and finds the way. */
static int send_routed(struct datapath *dp, const uint8_t *packet, size_t size,
		       const struct address *destination)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	ssize_t sent;

	if (packet[0] >> 4 == 4) {
		memcpy(&v4.sin_addr, address_ipv4(destination), sizeof(v4.sin_addr));
		sent = sendto(dp->raw_fd[0], packet, size, MSG_DONTWAIT,
			      (const struct sockaddr *)&v4, sizeof(v4));
	} else {
		memcpy(&v6.sin6_addr, destination->bytes, sizeof(v6.sin6_addr));
		sent = sendto(dp->raw_fd[1], packet, size, MSG_DONTWAIT,
			      (const struct sockaddr *)&v6, sizeof(v6));
	}
	return sent < 0 ? -errno : 0;
}

static int send_carried(struct datapath *dp, const struct map_link *link,
			const struct datapath_link *known, const uint8_t *packet, size_t size)
{
	struct datagram d = {.destination = known->carrier,
			     .source_port = LINK_UDP_PORT,
			     .destination_port = known->carrier_port,
			     .ttl = CARRIER_TTL,
			     .traffic_class = 0xc0,
			     .data = packet,
			     .data_size = size};
	struct buffer b = {0};
	int result;

	if (!known->carrier_port)
		return -EDESTADDRREQ; /* it will be, when the other end has spoken */
	/* The carrier comes from where its passenger does. */
	d.source = packet[0] >> 4 == 4 ? address_from_ipv4(packet + 12)
				       : address_from_ipv6(packet + 8);
	if (address_is_ipv4(&d.source) != address_is_ipv4(&d.destination))
		return -EAFNOSUPPORT;
	datagram_build(&b, &d);
	result = send_routed(dp, b.data, b.size, &known->carrier);
	buffer_finish(&b);
	return result;
}

int datapath_link_transmit(void *context, uint32_t number, const void *packet, size_t size)
{
	struct datapath *dp = datapath_of(context);
	const struct datapath_device *d = table_get(&dp->devices, &number);
	struct datapath_link known;
	struct map_link link;

	if (size < sizeof(struct in6_addr) ||
	    bpf_map_lookup_elem(map_fd(dp->skeleton->maps.links), &number, &link) ||
	    bpf_map_lookup_elem(map_fd(dp->skeleton->maps.rule_links), &number, &known))
		return -ENOENT;
	if (known.info.kind == LINK_UDP)
		return send_carried(dp, &link, &known, packet, size);
	if (known.info.kind == LINK_IP)
		return send_routed(dp, packet, size, &known.carrier);
	return d ? send_frame(dp, d, &link, packet, size) : -ENODEV;
}

int datapath_link_open(struct datapath *dp)
{
	dp->raw_fd[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (dp->raw_fd[0] < 0)
		return -errno;
	/* A kernel without IPv6 has no IPv6 links. */
	dp->raw_fd[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	return 0;
}

void datapath_link_close(struct datapath *dp)
{
	for (unsigned i = 0; i < 2; i++)
		if (dp->raw_fd[i] >= 0)
			close(dp->raw_fd[i]);
}
