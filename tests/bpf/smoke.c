/* Whether this kernel runs VICTOR's packet path: loads, attaches and sends real packets through
 * taps, in a network namespace of its own.  It needs root, /dev/net/tun and nothing else (it is
 * linked statically), so that it runs in the smallest of guests.  One line tells:
 *
 *	bpf-smoke: ok (kernel 6.1.0-44-amd64)
 */
#include "base/memory.h"
#include "fe/io/datapath_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

struct smoke {
	struct datapath_context context; /* first: see fe/io/datapath.h */
	const struct datapath_ops *ops;
	struct utsname kernel;
	char directory[32];
	int access, backplane; /* taps */
	unsigned upcalls;
};

static const struct mac node_mac = {{2, 0, 0, 0, 0, 0x0a}};
static const struct mac gateway_mac = {{2, 0, 0x5e, 0, 0, 1}};
static const struct mac peer_mac = {{2, 0, 0, 0, 0, 3}};

static NORETURN void fail(struct smoke *s, const char *what)
{
	printf("bpf-smoke: FAILED (kernel %s): %s\n", s->kernel.release, what);
	datapath_close(s->context.datapath, true);
	umount(s->directory);
	rmdir(s->directory);
	exit(1);
}

static struct address address(const char *text)
{
	struct address a = {};

	if (address_parse(text, &a))
		abort();
	return a;
}

static int tap_open(struct smoke *s, const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), control;

	if (fd < 0)
		fail(s, "no /dev/net/tun: load the module 'tun'");
	strcpy(request.ifr_name, name);
	control = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, TUNSETIFF, &request))
		fail(s, "no tap device");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(control, SIOCSIFFLAGS, &request))
		fail(s, "the tap does not come up");
	close(control);
	return fd;
}

/* 192.0.2.2/24 on the backplane, and the peer's MAC. */
static void underlay_set(struct smoke *s)
{
	struct ifreq request = {.ifr_name = "bp"};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct arpreq arp = {.arp_flags = ATF_COM | ATF_PERM, .arp_dev = "bp"};
	int control = socket(AF_INET, SOCK_DGRAM, 0), bad;

	inet_pton(AF_INET, "192.0.2.2", &in.sin_addr);
	memcpy(&request.ifr_addr, &in, sizeof(in));
	bad = ioctl(control, SIOCSIFADDR, &request);
	inet_pton(AF_INET, "255.255.255.0", &in.sin_addr);
	memcpy(&request.ifr_netmask, &in, sizeof(in));
	bad |= ioctl(control, SIOCSIFNETMASK, &request);
	request.ifr_mtu = 1600;
	bad |= ioctl(control, SIOCSIFMTU, &request);
	inet_pton(AF_INET, "192.0.2.3", &in.sin_addr);
	memcpy(&arp.arp_pa, &in, sizeof(in));
	arp.arp_ha.sa_family = ARPHRD_ETHER;
	memcpy(arp.arp_ha.sa_data, peer_mac.bytes, 6);
	bad |= ioctl(control, SIOCSARP, &arp);
	close(control);
	if (bad)
		fail(s, "the backplane's address cannot be set");
}

static void backplane_mac(uint8_t mac[6])
{
	struct ifreq request = {.ifr_name = "bp"};
	int control = socket(AF_INET, SOCK_DGRAM, 0);

	if (!ioctl(control, SIOCGIFHWADDR, &request))
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(control);
}

/* The next frame of that ethertype (and, IP, protocol) that leaves by the tap, within a second. */
static size_t hear(int tap, uint16_t ethertype, int protocol, uint8_t *frame, size_t size)
{
	struct pollfd fd = {tap, POLLIN, 0};

	while (poll(&fd, 1, 1000) > 0) {
		ssize_t got = read(tap, frame, size);

		if (got >= 34 && (frame[12] << 8 | frame[13]) == ethertype &&
		    (protocol < 0 || frame[23] == protocol))
			return (size_t)got;
	}
	return 0;
}

static uint16_t sum_of(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static size_t udp_make(uint8_t *frame, const char *source, const char *destination)
{
	static const uint8_t header[] = {8, 0, 0x45, 0, 0, 48, 0, 0, 64, 0, 64, 17, 0, 0};

	memset(frame, 0x55, 62);
	memcpy(frame, gateway_mac.bytes, 6);
	memcpy(frame + 6, node_mac.bytes, 6);
	memcpy(frame + 12, header, sizeof(header));
	inet_pton(AF_INET, source, frame + 26);
	inet_pton(AF_INET, destination, frame + 30);
	frame[24] = (uint8_t)(~sum_of(frame + 14, 20) >> 8);
	frame[25] = (uint8_t)~sum_of(frame + 14, 20);
	return 62;
}

static void on_upcall(void *to, const struct upcall *u)
{
	((struct smoke *)to)->upcalls++;
}

static void gateway_is_answered(struct smoke *s)
{
	uint8_t frame[256] = {255, 255, 255, 255, 255, 255};
	static const uint8_t request[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

	memcpy(frame + 6, node_mac.bytes, 6);
	memcpy(frame + 12, request, sizeof(request));
	memcpy(frame + 22, node_mac.bytes, 6);
	inet_pton(AF_INET, "10.10.0.11", frame + 28);
	inet_pton(AF_INET, "10.10.0.1", frame + 38);
	if (write(s->access, frame, 60) != 60)
		fail(s, "the tap takes no frame");
	if (!hear(s->access, 0x0806, -1, frame, sizeof(frame)) || frame[21] != 2 ||
	    memcmp(frame + 22, gateway_mac.bytes, 6))
		fail(s, "ARP for the gateway is not answered");
	datapath_poll_upcalls(s->context.datapath);
	if (!s->upcalls)
		fail(s, "no upcall came up");
}

static void foreign_is_encapsulated(struct smoke *s)
{
	uint8_t frame[256], inner[256];
	size_t size = udp_make(inner, "10.10.0.11", "10.10.0.36"), got;

	if (write(s->access, inner, size) < 0)
		fail(s, "the tap takes no frame");
	got = hear(s->backplane, 0x0800, 4, frame, sizeof(frame));
	if (got != size + 20 || memcmp(frame, peer_mac.bytes, 6) ||
	    sum_of(frame + 14, 20) != 0xffff || sum_of(frame + 34, 20) != 0xffff ||
	    frame[42] != 63 || memcmp(frame + 46, inner + 26, size - 26))
		fail(s, "a packet for another FE is not encapsulated right");
}

static size_t tunnelled_send(struct smoke *s, const char *source, const char *destination)
{
	uint8_t frame[256], inner[256];
	size_t size = udp_make(inner, source, destination), got;

	udp_make(frame, "192.0.2.3", "192.0.2.2");
	backplane_mac(frame);
	frame[17] = (uint8_t)(20 + size - 14);
	frame[23] = 4;
	frame[24] = frame[25] = 0;
	got = (uint16_t)~sum_of(frame + 14, 20);
	frame[24] = (uint8_t)(got >> 8);
	frame[25] = (uint8_t)got;
	memcpy(frame + 34, inner + 14, size - 14);
	if (write(s->backplane, frame, size + 20) < 0)
		fail(s, "the tap takes no frame");
	return size;
}

static void tunnelled_is_delivered(struct smoke *s)
{
	uint8_t frame[256], inner[256];
	size_t size = udp_make(inner, "10.10.0.36", "10.10.0.11"), got;

	tunnelled_send(s, "10.10.0.36", "10.10.0.11");
	got = hear(s->access, 0x0800, 17, frame, sizeof(frame));
	if (got != size || memcmp(frame, node_mac.bytes, 6) ||
	    memcmp(frame + 6, gateway_mac.bytes, 6) || memcmp(frame + 14, inner + 14, size - 14))
		fail(s, "a packet from another FE is not delivered right");
}

/* IPv6 inside IPv4 takes another way on kernels before 6.3. */
static void tunnelled_ipv6_is_delivered(struct smoke *s)
{
	uint8_t frame[256], inner[256] = {0x60, 0, 0, 0, 0, 8, 17, 64};
	struct address from = address("2001:db8::36"), to = address("2001:db8::11");
	uint16_t sum;

	memcpy(inner + 8, from.bytes, 16);
	memcpy(inner + 24, to.bytes, 16);
	udp_make(frame, "192.0.2.3", "192.0.2.2");
	backplane_mac(frame);
	frame[17] = 20 + 48;
	frame[23] = 41;
	frame[24] = frame[25] = 0;
	sum = (uint16_t)~sum_of(frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	memcpy(frame + 34, inner, 48);
	if (write(s->backplane, frame, 82) < 0)
		fail(s, "the tap takes no frame");
	if (hear(s->access, 0x86dd, -1, frame, sizeof(frame)) != 62 ||
	    memcmp(frame, node_mac.bytes, 6) || memcmp(frame + 14, inner, 48))
		fail(s, "IPv6 from another FE is not delivered right");
}

/* ---- the long way (bpf/inner.h): as if a packet of many segments had just been there ---- */

static void trails_set(struct smoke *s)
{
	const struct bpf_map *map = s->context.datapath->skeleton->maps.trails;
	unsigned cpus = s->context.datapath->cpus;
	uint64_t *when = memory_alloc_array(cpus, sizeof(*when));
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (unsigned i = 0; i < cpus; i++)
		when[i] = (uint64_t)(now.tv_sec + 60) * 1000000000;
	for (uint32_t key = 0; key < DATAPLANE_TRAILS; key++)
		if (bpf_map__update_elem(map, &key, sizeof(key), when, cpus * sizeof(*when), 0))
			fail(s, "the trails cannot be written");
	free(when);
}

static void count_refused(void *to, const struct drop_count *c)
{
	if (!strcmp(c->name, "inner_refused"))
		*(uint64_t *)to = c->packets;
}

/* Without the token nothing comes in; and with the device down nothing comes at all. */
static void long_way_is_ours_alone(struct smoke *s)
{
	struct ifreq request = {.ifr_name = "victor-2"};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
	uint8_t frame[256];
	uint64_t refused = 0;
	size_t size = udp_make(frame, "10.10.0.36", "10.10.0.11");
	int packet = socket(AF_PACKET, SOCK_RAW, 0);

	to.sll_ifindex = (int)if_nametoindex("victor-2");
	sendto(packet, frame, size, 0, (struct sockaddr *)&to, sizeof(to));
	datapath_verdicts(s->context.datapath, count_refused, &refused);
	if (refused != 1)
		fail(s, "a frame without the token is not refused on the inner device");
	if (ioctl(packet, SIOCSIFFLAGS, &request))
		fail(s, "the inner device does not go down");
	close(packet);
	tunnelled_send(s, "10.10.0.36", "10.10.0.11");
	if (hear(s->access, 0x0800, 17, frame, sizeof(frame)))
		fail(s, "the long way does not lead through the inner device");
}

/* Larger than the backplane takes: ICMP comes back. */
static void too_large_is_told(struct smoke *s)
{
	static uint8_t frame[2048];
	uint16_t sum;

	udp_make(frame, "10.10.0.11", "10.10.0.36");
	frame[16] = 1590 >> 8;
	frame[17] = 1590 & 0xff;
	frame[24] = frame[25] = 0;
	sum = (uint16_t)~sum_of(frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	if (write(s->access, frame, 1604) < 0)
		fail(s, "the tap takes no frame");
	if (!hear(s->access, 0x0800, 1, frame, sizeof(frame)) || frame[34] != 3 || frame[35] != 4 ||
	    (frame[40] << 8 | frame[41]) != 1580)
		fail(s, "what is too large for the backplane is not answered by ICMP");
}

static void state_set(struct smoke *s)
{
	struct datapath_port access = {.number = 1,
				       .ifindex = if_nametoindex("acc"),
				       .role = PORT_ACCESS,
				       .admitted = true,
				       .admitted6 = true,
				       .listen = DATAPATH_LISTEN_ARP,
				       .mtu = 1500};
	struct datapath_port backplane = {
		.number = 2, .ifindex = if_nametoindex("bp"), .role = PORT_BACKPLANE, .mtu = 1600};
	struct datapath_binding here = {.address = address("10.10.0.11"),
					.flags = BINDING_LOCAL | BINDING_GUARD,
					.port = 1,
					.mac = node_mac,
					.gateway_mac = gateway_mac};
	struct datapath_binding there = {
		.address = address("10.10.0.36"), .flags = BINDING_FOREIGN, .fe = 3};
	struct datapath_peer peer = {.fe = 3,
				     .send = true,
				     .receive = true,
				     .address = address("192.0.2.3"),
				     .redirect = address("192.0.2.103")};
	struct datapath_prefix answer = {
		.kind = DATAPATH_ANSWER, .prefix = {address("10.10.0.1"), 128}, .mac = gateway_mac};

	if (s->ops->port_set(s, &access) || s->ops->port_set(s, &backplane))
		fail(s, "the programs cannot be attached: is CONFIG_NET_CLS_BPF (cls_bpf) there?");
	if (s->ops->binding_set(s, &here) || s->ops->binding_set(s, &there) ||
	    s->ops->peer_set(s, &peer) || s->ops->prefix_set(s, &answer))
		fail(s, "the maps refuse entries");
	here.address = address("2001:db8::11");
	if (s->ops->binding_set(s, &here))
		fail(s, "the maps refuse entries");
}

int main(void)
{
	struct smoke s = {.ops = datapath_operations(), .directory = "/tmp/bpf-smoke-XXXXXX"};
	struct datapath_config config = {
		.fe = 2,
		.backplane.pair[FAMILY_IPV4] = {address("192.0.2.2"), address("192.0.2.102"), {}},
		.pin_directory = s.directory};
	struct reason why = {};

	uname(&s.kernel);
	if (geteuid()) {
		fprintf(stderr, "bpf-smoke: skipped: needs root\n");
		return 77;
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail(&s, "needs root");
	if (!mkdtemp(s.directory))
		fail(&s, "needs a writable /tmp");
	s.access = tap_open(&s, "acc");
	s.backplane = tap_open(&s, "bp");
	underlay_set(&s);
	if (datapath_open(&config, &s.context.datapath, &why))
		fail(&s, why.text);
	datapath_set_upcall(s.context.datapath, on_upcall, &s);
	state_set(&s);
	gateway_is_answered(&s);
	foreign_is_encapsulated(&s);
	tunnelled_is_delivered(&s);
	tunnelled_ipv6_is_delivered(&s);
	too_large_is_told(&s);
	if (!s.context.datapath->config.inner_ifindex)
		fail(&s, "no inner device: load the module 'ifb'");
	trails_set(&s);
	tunnelled_is_delivered(&s);
	tunnelled_ipv6_is_delivered(&s);
	long_way_is_ours_alone(&s);
	datapath_close(s.context.datapath, true);
	umount(s.directory);
	rmdir(s.directory);
	printf("bpf-smoke: ok (kernel %s)\n", s.kernel.release);
	return 0;
}
