/* The bench of the BPF tests (harness.h): namespaces, devices, frames, BPF_PROG_RUN. */
#include "tests/bpf/harness.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

const struct mac gateway_mac = {{0x02, 0, 0x5e, 0, 0, 1}};
const struct mac node_mac = {{0x02, 0, 0, 0, 0, 0x0a}};
const struct mac other_mac = {{0x02, 0, 0, 0, 0, 0x0b}};

static const char *const devices[] = {"lo", "acc", "acc2", "bp", "ext"};

void bench_require_privileges(void)
{
	if (geteuid() || unshare(CLONE_NEWNET | CLONE_NEWNS)) {
		fprintf(stderr, "skipped: BPF tests need root (network namespaces and BPF)\n");
		exit(77);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		fprintf(stderr, "skipped: no private mounts\n");
		exit(77);
	}
}

static PRINTF_LIKE(1, 2) void shell(const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (system(text)) {
		fprintf(stderr, "failed: %s\n", text);
		abort();
	}
}

static void make_devices(struct bench *b)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	shell("ip link set lo up");
	for (unsigned i = ACCESS; i <= EXTERNAL; i++) {
		struct ifreq request = {};

		shell("ip link add %s mtu %u type veth peer name %s-peer mtu 1600", devices[i],
		      i == BACKPLANE ? 1600 : 1500, devices[i]);
		/* The far end asks nobody for its link-local address: that would be an upcall. */
		shell("ip link set %s-peer addrgenmode none", devices[i]);
		shell("ip link set %s up && ip link set %s-peer up", devices[i], devices[i]);
		b->ifindex[i] = if_nametoindex(devices[i]);
		strcpy(request.ifr_name, devices[i]);
		assert_int_equal(ioctl(s, SIOCGIFHWADDR, &request), 0);
		memcpy(b->mac[i].bytes, request.ifr_hwaddr.sa_data, 6);
	}
	close(s);
	shell("ip address add 192.0.2.2/24 dev bp && ip address add 198.51.100.1/24 dev ext");
	/* /proc/sys/net is the network namespace's own */
	shell("echo 1 > /proc/sys/net/ipv4/ip_forward");
	shell("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
}

static void on_upcall(void *to, const struct upcall *u)
{
	struct bench *b = to;

	b->upcall.count++;
	b->upcall.reason = u->reason;
	b->upcall.port = u->port;
	b->upcall.vlan = u->vlan;
	b->upcall.size = u->size;
	b->upcall.wire_size = u->wire_size;
	memcpy(b->upcall.frame, u->frame, u->size);
}

int bench_open(struct bench *b, uint32_t fe, struct reason *why)
{
	struct datapath_config c = {.fe = fe,
				    .backplane.pair[FAMILY_IPV4] = {text_address("192.0.2.2"),
								    text_address("192.0.2.102"),
								    {}},
				    .binding_limit = 1000,
				    .seed = 7,
				    .pin_directory = b->directory};
	int result = datapath_open(&c, &b->context.datapath, why);

	if (!result)
		datapath_set_upcall(b->context.datapath, on_upcall, b);
	return result;
}

void bench_set_port(struct bench *b, enum port_number port, bool admitted, uint16_t mtu)
{
	struct datapath_port p = {.number = port,
				  .ifindex = b->ifindex[port],
				  .role = port == BACKPLANE  ? PORT_BACKPLANE
					  : port == EXTERNAL ? PORT_EXTERNAL
							     : PORT_ACCESS,
				  .admitted = admitted,
				  .admitted6 = admitted,
				  .listen = DATAPATH_LISTEN_ARP | DATAPATH_LISTEN_RARP |
					    DATAPATH_LISTEN_RS | DATAPATH_LISTEN_NS |
					    DATAPATH_LISTEN_NA,
				  .mtu = mtu};

	assert_int_equal(b->ops->port_set(b, &p), 0);
}

void bench_set_prefix(struct bench *b, uint8_t kind, const char *prefix, uint32_t fe)
{
	struct datapath_prefix p = {.kind = kind, .fe = fe, .mac = gateway_mac};

	assert_int_equal(prefix_parse(prefix, &p.prefix), 0);
	assert_int_equal(b->ops->prefix_set(b, &p), 0);
}

void bench_set_covered(struct bench *b, const char *prefix, const char *gateway, bool unreachable)
{
	struct datapath_prefix p = {.kind = DATAPATH_COVERED,
				    .unreachable = unreachable,
				    .gateway = text_address(gateway)};

	assert_int_equal(prefix_parse(prefix, &p.prefix), 0);
	assert_int_equal(b->ops->prefix_set(b, &p), 0);
}

void bench_set_local(struct bench *b, const char *address, uint32_t port, uint8_t flags)
{
	struct datapath_binding binding = {.address = text_address(address),
					   .flags = flags,
					   .port = port,
					   .mac = port == ACCESS ? node_mac : other_mac,
					   .gateway_mac = gateway_mac,
					   .fe = 3};

	assert_int_equal(b->ops->binding_set(b, &binding), 0);
}

void bench_set_foreign(struct bench *b, const char *address, uint32_t fe)
{
	struct datapath_binding binding = {
		.address = text_address(address), .flags = BINDING_FOREIGN, .fe = fe};

	assert_int_equal(b->ops->binding_set(b, &binding), 0);
}

void bench_set_peer(struct bench *b, bool receive)
{
	struct datapath_peer p = {.fe = 3,
				  .send = true,
				  .receive = receive,
				  .address = text_address("192.0.2.3"),
				  .redirect = text_address("192.0.2.103")};

	assert_int_equal(b->ops->peer_set(b, &p), 0);
}

void bench_renew_limits(struct bench *b)
{
	const struct victor_bpf *skeleton = b->context.datapath->skeleton;
	struct map_limits fresh = {};

	for (unsigned i = ACCESS; i <= EXTERNAL; i++)
		assert_int_equal(bpf_map_update_elem(map_fd(skeleton->maps.limits), &b->ifindex[i],
						     &fresh, 0),
				 0);
}

/* The usual state: 10.10.0.11 here at port 1, 10.10.0.12 at port 2, 10.10.0.36 at FE 3. */
static void usual_state(struct bench *b)
{
	for (unsigned i = ACCESS; i <= EXTERNAL; i++)
		bench_set_port(b, i, true, i == BACKPLANE ? 1600 : 1500);
	bench_set_peer(b, true);
	bench_set_covered(b, "10.10.0.0/16", "10.10.0.1", false);
	bench_set_prefix(b, DATAPATH_STRANGER, "10.10.0.0/16", 0);
	bench_set_prefix(b, DATAPATH_ANSWER, "10.10.0.0/16", 0);
	bench_set_prefix(b, DATAPATH_ANSWER, "10.10.0.1", 0);
	bench_set_local(b, "10.10.0.11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "10.10.0.12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	bench_set_foreign(b, "10.10.0.36", 3);
}

int bench_create(void **state)
{
	struct bench *b = memory_alloc(sizeof(*b));

	log_start("test", getenv("DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	b->ops = datapath_operations();
	strcpy(b->directory, "/tmp/victor-bpf-XXXXXX");
	assert_non_null(mkdtemp(b->directory));
	make_devices(b);
	*state = b;
	return 0;
}

int bench_destroy(void **state)
{
	struct bench *b = *state;

	umount(b->directory);
	rmdir(b->directory);
	free(b);
	return 0;
}

int bench_setup(void **state)
{
	struct bench *b = *state;
	struct reason why = {};

	if (bench_open(b, 2, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return -1;
	}
	usual_state(b);
	memset(b->last, 0, sizeof(b->last));
	b->upcall.count = 0;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;

	datapath_close(b->context.datapath, true);
	b->context.datapath = NULL;
	return 0;
}

/* ---- frames ---- */

struct address text_address(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static uint16_t sum_of(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

bool frame_sum_is_right(const struct frame *f, size_t at, size_t size)
{
	return at + size <= f->size && sum_of(f->bytes + at, size) == 0xffff;
}

static void put_u16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void frame_set_macs(struct frame *f, const struct mac *destination, const struct mac *source)
{
	memcpy(f->bytes, destination->bytes, 6);
	memcpy(f->bytes + 6, source->bytes, 6);
}

void frame_set_ipv4(struct frame *f, size_t at, uint8_t value)
{
	f->bytes[at] = value;
	put_u16(f->bytes + 24, 0);
	put_u16(f->bytes + 24, (uint16_t)~sum_of(f->bytes + 14, 20));
}

struct frame frame_arp(uint16_t operation, const char *sender, const char *target)
{
	static const struct mac broadcast = {{255, 255, 255, 255, 255, 255}};
	struct address from = text_address(sender), to = text_address(target);
	struct frame f = {.size = 60};

	frame_set_macs(&f, &broadcast, &node_mac);
	put_u16(f.bytes + 12, 0x0806);
	put_u16(f.bytes + 14, 1);
	put_u16(f.bytes + 16, 0x0800);
	put_u16(f.bytes + 18, 0x0604);
	put_u16(f.bytes + 20, operation);
	memcpy(f.bytes + 22, node_mac.bytes, 6);
	memcpy(f.bytes + 28, address_ipv4(&from), 4);
	memcpy(f.bytes + 38, address_ipv4(&to), 4);
	return f;
}

static struct frame frame_ipv4(const char *source, const char *destination, uint8_t protocol,
			       size_t payload)
{
	struct address from = text_address(source), to = text_address(destination);
	struct frame f = {.size = 34 + payload};

	frame_set_macs(&f, &gateway_mac, &node_mac);
	put_u16(f.bytes + 12, 0x0800);
	f.bytes[14] = 0x45;
	f.bytes[15] = 0xb8; /* DSCP EF */
	put_u16(f.bytes + 16, 20 + payload);
	f.bytes[20] = 0x40; /* DF */
	f.bytes[22] = 64;
	f.bytes[23] = protocol;
	memcpy(f.bytes + 26, address_ipv4(&from), 4);
	memcpy(f.bytes + 30, address_ipv4(&to), 4);
	for (size_t i = 0; i < payload; i++)
		f.bytes[34 + i] = (uint8_t)i;
	put_u16(f.bytes + 24, (uint16_t)~sum_of(f.bytes + 14, 20));
	return f;
}

struct frame frame_udp(const char *source, const char *destination, size_t payload)
{
	return frame_ipv4(source, destination, 17, 8 + payload);
}

struct frame frame_echo(const char *source, const char *destination)
{
	struct frame f = frame_ipv4(source, destination, 1, 16);

	f.bytes[34] = 8;
	f.bytes[35] = 0;
	put_u16(f.bytes + 36, 0);
	put_u16(f.bytes + 36, (uint16_t)~sum_of(f.bytes + 34, 16));
	return f;
}

struct frame frame_udp6(const char *source, const char *destination, size_t payload)
{
	struct address from = text_address(source), to = text_address(destination);
	struct frame f = {.size = 14 + 40 + 8 + payload};

	frame_set_macs(&f, &gateway_mac, &node_mac);
	put_u16(f.bytes + 12, 0x86dd);
	f.bytes[14] = 0x60;
	put_u16(f.bytes + 18, 8 + payload);
	f.bytes[20] = 17;
	f.bytes[21] = 64;
	memcpy(f.bytes + 22, from.bytes, 16);
	memcpy(f.bytes + 38, to.bytes, 16);
	return f;
}

struct frame frame_tunnel(const struct bench *b, const char *source, const char *destination,
			  const struct frame *inner)
{
	bool is_ipv6 = inner->bytes[12] == 0x86;
	struct frame f = frame_ipv4(source, destination, is_ipv6 ? 41 : 4, inner->size - 14);

	frame_set_macs(&f, &b->mac[BACKPLANE], &other_mac);
	memcpy(f.bytes + 34, inner->bytes + 14, inner->size - 14);
	return f;
}

/* ---- runs ---- */

static void read_verdict(void *to, const struct drop_count *c)
{
	uint64_t **at = to;

	*(*at)++ = c->packets;
}

static void read_verdicts(struct bench *b, uint64_t counts[VERDICT_COUNT])
{
	uint64_t *at = counts;

	datapath_verdicts(b->context.datapath, read_verdict, &at);
}

void bench_run(struct bench *b, enum port_number port, struct frame *f)
{
	const struct victor_bpf *skeleton = b->context.datapath->skeleton;
	const struct bpf_program *programs[] = {
		NULL, skeleton->progs.victor_access, skeleton->progs.victor_access,
		skeleton->progs.victor_backplane, skeleton->progs.victor_external};

	bench_run_program(b, programs[port], b->ifindex[port], f);
}

void bench_run_program(struct bench *b, const struct bpf_program *program, uint32_t ifindex,
		       struct frame *f)
{
	struct __sk_buff context = {
		.ifindex = ifindex, .gso_size = f->gso_size, .gso_segs = f->gso_size ? 2 : 0};
	uint8_t out[FRAME_MAX];
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes,
			    .data_size_in = (uint32_t)f->size, .data_out = out,
			    .data_size_out = sizeof(out), .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = 1);
	uint64_t before[VERDICT_COUNT];

	read_verdicts(b, before);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
	read_verdicts(b, b->last);
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		b->last[i] -= before[i];
	datapath_poll_upcalls(b->context.datapath);
	memcpy(f->bytes, out, run.data_size_out);
	f->size = run.data_size_out;
	f->verdict = (int)run.retval;
}

uint64_t bench_counted(struct bench *b, enum dataplane_verdict verdict)
{
	return b->last[verdict];
}

void bench_expect(struct bench *b, enum port_number port, const struct frame *f, int verdict,
		  int counted)
{
	struct frame out = *f;

	bench_run(b, port, &out);
	assert_int_equal(out.verdict, verdict);
	if (counted >= 0)
		assert_int_equal(bench_counted(b, (enum dataplane_verdict)counted), 1);
	if (verdict == TC_REDIRECT)
		return;
	assert_int_equal(out.size, f->size);
	assert_memory_equal(out.bytes, f->bytes, f->size);
}
