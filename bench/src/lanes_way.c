/* The ways between generator and sink (lanes_internal.h): the element's, the kernel's, programs';
 * and the frames that each takes. */
#include "bench/src/lanes_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEVICE_NAME 16

static const char *const kinds[] = {"victor", "kernel", "fib", "redirect", "peer", "victor-xdp"};

/* The devices by which each case of the element comes in and goes out. */
static const struct ports {
	const char *name, *in, *out;
} ports[] = {{"local", "acc", "acc2"},
	     {"external", "ext", "acc2"},
	     {"encapsulate", "acc", "bp"},
	     {"decapsulate", "bp", "acc2"},
	     {"drop", "acc", "acc2"}};

static uint32_t index_of(struct lanes *l, const char *name, const char *end)
{
	char device[DEVICE_NAME];
	uint32_t index;

	snprintf(device, sizeof(device), "%s%s", name, end);
	index = if_nametoindex(device);
	check(&l->forward, index ? 0 : errno, device);
	return index;
}

static void attach(struct lanes *l, const struct bpf_program *program, const char *name,
		   const char *end)
{
	check(&l->forward,
	      bpf_xdp_attach((int)index_of(l, name, end), bpf_program__fd(program),
			     XDP_FLAGS_DRV_MODE, NULL),
	      name);
}

/* Two queues each, so that two cores have a path of their own. */
static void pair_make(struct lanes *l, const struct lane *lane)
{
	static const char queues[] = "numtxqueues 2 numrxqueues 2";
	const char *n = lane->name;

	for (const char *end = "io"; *end; end++) {
		shell(&l->forward,
		      "ip link add %s%c address 02:00:00:00:%02x:%02x %s type veth peer name "
		      "%s%c-peer %s",
		      n, *end, lane->mac.bytes[4], *end == 'i' ? lane->mac.bytes[5] : 0x99, queues,
		      n, *end, queues);
		shell(&l->forward,
		      "ip link set %s%c up && ip link set %s%c-peer up && "
		      "ethtool -K %s%c gro on >/dev/null",
		      n, *end, n, *end, n, *end);
	}
	attach(l, l->program->progs.lane_sink, n, "o-peer");
}

static void pair_move(struct lanes *l, const struct lane *lane)
{
	for (const char *end = "io"; *end; end++)
		shell(&l->forward,
		      "ip link set %s%c netns /proc/%d/fd/%d && nsenter --net=/proc/%d/fd/%d "
		      "ip link set %s%c up",
		      lane->name, *end, getpid(), AWAY_FD, getpid(), AWAY_FD, lane->name, *end);
}

static void kernel_make(struct lanes *l, const char *name)
{
	struct forward *f = &l->forward;

	shell(f,
	      "echo 1 > /proc/sys/net/ipv4/ip_forward; "
	      "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; "
	      "echo 2000000 > /proc/sys/net/ipv6/route/max_size; "
	      "for i in all %si; do echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter; done",
	      name);
	shell(f,
	      "ip address add 198.18.0.1/24 dev %so && ip address add 2001:db9::1/64 dev %so nodad",
	      name, name);
	shell(f,
	      "ip neighbor add 198.18.0.2 lladdr 02:00:00:00:00:99 dev %so && "
	      "ip neighbor add 2001:db9::2 lladdr 02:00:00:00:00:99 dev %so",
	      name, name);
	shell(f, "ip route add blackhole 10.0.0.0/8 && ip -6 route add blackhole 2001:db8::/32");
	l->has_routes = true;
}

static bool is_victor(const struct lane *lane)
{
	return lane->kind == LANE_VICTOR || lane->kind == LANE_XDP;
}

static bool has_victor(const struct lanes *l, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (is_victor(&l->lane[i]))
			return true;
	return false;
}

static void victor_make(struct lanes *l)
{
	static const char *const out[] = {"acc2", "bp"};

	surroundings_set(&l->forward);
	for (unsigned i = 0; i < ARRAY_SIZE(out); i++)
		attach(l, l->program->progs.lane_sink, out[i], "-peer");
	for (unsigned i = ACCESS; i <= EXTERNAL; i++)
		shell(&l->forward, "ethtool -K %s gro on >/dev/null", devices[i]);
}

const struct lane *lane_find(struct lanes *l, const char *name)
{
	for (unsigned i = 0; i < l->count; i++)
		if (strcmp(l->lane[i].name, name) == 0)
			return &l->lane[i];
	fail(&l->forward, name, ENOENT);
}

void lane_make(struct lanes *l, const char *name, const char *kind)
{
	struct lane *lane = &l->lane[l->count];
	unsigned number = 0;

	while (number < ARRAY_SIZE(kinds) && strcmp(kinds[number], kind) != 0)
		number++;
	check(&l->forward, number == ARRAY_SIZE(kinds) || l->count == LANES ? EINVAL : 0, kind);
	*lane = (struct lane){.kind = (enum lane_kind)number,
			      .mac = {{0x02, 0, 0, 0, 2, (uint8_t)l->count}}};
	snprintf(lane->name, sizeof(lane->name), "%s", name);
	l->count++;
	if (is_victor(lane)) {
		if (!has_victor(l, l->count - 1))
			victor_make(l);
		return;
	}
	pair_make(l, lane);
	if (lane->kind == LANE_KERNEL)
		kernel_make(l, name);
	else if (lane->kind == LANE_FIB)
		attach(l, l->program->progs.lane_fib, name, "i");
	else if (lane->kind == LANE_REDIRECT)
		attach(l, l->program->progs.lane_redirect, name, "i");
	else if (lane->kind == LANE_PEER)
		pair_move(l, lane);
}

/* Bindings become local or foreign ones when they are written again. */
void lanes_grow(struct lanes *l, uint32_t count, bool local)
{
	struct forward *f = &l->forward;
	bool victor = has_victor(l, l->count);

	for (uint32_t i = l->bindings[local]; victor && i < count; i++) {
		const struct datapath_binding b = binding_make(f, i, local);

		check(f, f->ops->binding_set(f, &b), "a binding");
	}
	l->bindings[local] = count;
	l->bindings[!local] = 0;
	if (!l->has_routes || count <= l->routes)
		return;
	for (unsigned i = 0; i < l->count; i++)
		if (l->lane[i].kind == LANE_KERNEL)
			check(f,
			      routes_add(f, l->routes, count,
					 f->is_ipv6 ? "2001:db9::2" : "198.18.0.2",
					 index_of(l, l->lane[i].name, "o")),
			      "routes");
	l->routes = count;
}

/* ---- frames ---- */

/* The sum of an IPv4 header's words as they are in memory, the check left out, and the destination
 * if 'to_end' is false. */
static uint32_t sum_of(const uint8_t *header, bool to_end)
{
	uint32_t sum = 0;
	uint16_t word;

	for (unsigned i = 0; i < (to_end ? 20 : 16); i += 2) {
		memcpy(&word, header + i, 2);
		sum += i == 10 ? 0 : word;
	}
	return sum;
}

static void outer_sum(uint8_t *header)
{
	uint32_t sum = sum_of(header, true);
	uint16_t check;

	sum = (sum & 0xffff) + (sum >> 16);
	check = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	memcpy(header + 10, &check, 2);
}

uint32_t lane_frame(struct lanes *l, const struct lane *lane, const char *which, uint32_t spread,
		    uint8_t *frame)
{
	struct forward_shape *shape = &l->program->bss->shape;
	struct forward *f = &l->forward;

	if (is_victor(lane))
		element_xdp(f, lane->kind == LANE_XDP);
	frame_make(f, which, shape, frame);
	if (lane->kind == LANE_KERNEL)
		memcpy(frame, lane->mac.bytes, 6);
	if (strcmp(which, "decapsulate") == 0)
		outer_sum(frame + 14);
	memcpy(shape->head, frame, shape->head_size);
	shape->sum = f->is_ipv6 ? 0 : sum_of(frame + shape->address - 16, false);
	shape->count = spread;
	if (strcmp(which, "drop") == 0)
		shape->base += 1u << 23; /* covered, and nobody's */
	if (is_victor(lane)) {
		for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
			if (strcmp(ports[i].name, which) == 0)
				shape->out_ifindex = index_of(l, ports[i].in, "-peer");
	} else {
		shape->out_ifindex = index_of(l, lane->name, "i-peer");
		shape->through_ifindex =
			lane->kind == LANE_REDIRECT ? index_of(l, lane->name, "o") : 0;
	}
	return shape->size;
}
