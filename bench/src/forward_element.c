/* The element that is measured (forward_element.h). */
#include "bench/src/forward_element.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

const char *const devices[] = {"", "acc", "acc2", "bp", "ext"};
const struct mac gateway = {{0x02, 0, 0x5e, 0, 0, 1}}, sender = {{0x02, 0, 0, 0, 0, 0x0a}};

NORETURN void fail(struct forward *f, const char *what, int result)
{
	fprintf(stderr, "bench-forward: %s: %s\n", what, strerror(result < 0 ? -result : result));
	datapath_close(f->context.datapath, true);
	umount(f->directory);
	rmdir(f->directory);
	exit(1);
}

void check(struct forward *f, int result, const char *what)
{
	if (result)
		fail(f, what, result);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct address text_address(const char *text)
{
	struct address a = {};

	if (address_parse(text, &a))
		abort();
	return a;
}

/* ---- the element ---- */

struct address numbered(const struct forward *f, uint32_t i)
{
	struct address a = text_address(f->is_ipv6 ? "2001:db8::" : "10.0.0.0");

	a.bytes[12] = (uint8_t)(a.bytes[12] + (i >> 24));
	a.bytes[13] = (uint8_t)(i >> 16);
	a.bytes[14] = (uint8_t)(i >> 8);
	a.bytes[15] = (uint8_t)i;
	return a;
}

static struct address source(const struct forward *f)
{
	return text_address(f->is_ipv6 ? "2001:db8:1::1" : "10.200.0.1");
}

void shell(struct forward *f, const char *format, ...)
{
	char text[256];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	check(f, size >= (int)sizeof(text) ? E2BIG : 0, text);
	check(f, system(text) ? EIO : 0, text);
}

void devices_make(struct forward *f)
{
	for (unsigned i = ACCESS; i <= EXTERNAL; i++) {
		shell(f,
		      "ip link add %s mtu %u address 02:00:00:00:01:%02x numtxqueues 2 "
		      "numrxqueues 2 type veth peer name %s-peer mtu 1600 numtxqueues 2 "
		      "numrxqueues 2 && ip link set %s up && ip link set %s-peer up",
		      devices[i], i == BACKPLANE ? 1600 : 1500, i, devices[i], devices[i],
		      devices[i]);
		f->ifindex[i] = if_nametoindex(devices[i]);
		f->mac[i] = (struct mac){{0x02, 0, 0, 0, 1, (uint8_t)i}};
	}
	shell(f, "ip link set lo up && ip address add 192.0.2.2/24 dev bp && "
		 "ip neighbor add 192.0.2.3 lladdr 02:00:00:00:00:03 dev bp");
}

void element_open(struct forward *f, uint32_t limit)
{
	struct datapath_config c = {.fe = FE_HERE,
				    .backplane.pair[FAMILY_IPV4] = {text_address("192.0.2.2"),
								    text_address("192.0.2.102"),
								    {}},
				    .binding_limit = limit,
				    .seed = 7,
				    .pin_directory = f->directory};
	struct reason why = {};

	if (datapath_open(&c, &f->context.datapath, &why))
		fail(f, why.text, EIO);
}

static void ports_set(struct forward *f)
{
	for (uint32_t number = ACCESS; number <= EXTERNAL; number++) {
		struct datapath_port p = {.number = number,
					  .ifindex = f->ifindex[number],
					  .role = number == BACKPLANE  ? PORT_BACKPLANE
						  : number == EXTERNAL ? PORT_EXTERNAL
								       : PORT_ACCESS,
					  .admitted = true,
					  .admitted6 = true,
					  .listen = 0xff,
					  .mtu = number == BACKPLANE ? 1600 : 1500};

		check(f, f->ops->port_set(f, &p), "a port");
	}
}

void element_xdp(struct forward *f, bool on)
{
	struct datapath *dp = f->context.datapath;

	if (f->xdp == on)
		return;
	f->xdp = on;
	dp->xdp = on ? DATAPATH_XDP_ON : DATAPATH_XDP_OFF;
	for (uint32_t number = ACCESS; number <= EXTERNAL; number++)
		((struct datapath_device *)table_get(&dp->devices, &number))->attached = false;
	ports_set(f);
}

static void prefix_set(struct forward *f, uint8_t kind, const char *text)
{
	struct datapath_prefix p = {.kind = kind, .mac = gateway};

	check(f, prefix_parse(text, &p.prefix), text);
	check(f, f->ops->prefix_set(f, &p), "a prefix");
}

void surroundings_set(struct forward *f)
{
	static const uint8_t kinds[] = {DATAPATH_COVERED, DATAPATH_STRANGER, DATAPATH_ANSWER};
	const struct datapath_peer peer = {.fe = FE_THERE,
					   .send = true,
					   .receive = ENCAPSULATION_IPIP,
					   .address = text_address("192.0.2.3"),
					   .redirect = text_address("192.0.2.103")};
	const struct datapath_binding from = {.address = source(f),
					      .flags = BINDING_LOCAL | BINDING_GUARD,
					      .port = ACCESS,
					      .mac = sender,
					      .gateway_mac = gateway};

	ports_set(f);
	check(f, f->ops->peer_set(f, &peer), "the peer");
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		prefix_set(f, kinds[i], "10.0.0.0/8");
		prefix_set(f, kinds[i], "2001:db8::/32");
	}
	check(f, f->ops->binding_set(f, &from), "the source");
}

/* Each node has a MAC of its own, as nodes have. */
struct datapath_binding binding_make(const struct forward *f, uint32_t i, bool local)
{
	if (!local)
		return (struct datapath_binding){
			.address = numbered(f, i), .flags = BINDING_FOREIGN, .fe = FE_THERE};
	return (struct datapath_binding){.address = numbered(f, i),
					 .flags = BINDING_LOCAL | BINDING_GUARD,
					 .port = ACCESS2,
					 .mac = {{0x02, 1, (uint8_t)(i >> 24), (uint8_t)(i >> 16),
						  (uint8_t)(i >> 8), (uint8_t)i}},
					 .gateway_mac = gateway};
}

void bindings_set(struct forward *f, bool local)
{
	for (uint32_t i = 0; i < f->count; i++) {
		const struct datapath_binding b = binding_make(f, i, local);

		check(f, f->ops->binding_set(f, &b), "a binding");
	}
}

/* ---- frames ---- */

static void put_u16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void ipv4_put(uint8_t *at, uint32_t size, uint8_t protocol, const struct address *from,
		     const struct address *to)
{
	at[0] = 0x45;
	put_u16(at + 2, size);
	at[8] = 64;
	at[9] = protocol;
	memcpy(at + 12, address_ipv4(from), 4);
	memcpy(at + 16, address_ipv4(to), 4);
}

static void ipv6_put(uint8_t *at, uint32_t size, const struct address *from,
		     const struct address *to)
{
	at[0] = 0x60;
	put_u16(at + 4, size - 40);
	at[6] = 17;
	at[7] = 64;
	memcpy(at + 8, from->bytes, 16);
	memcpy(at + 24, to->bytes, 16);
}

uint32_t frame_make(const struct forward *f, const char *which, struct forward_shape *shape,
		    uint8_t *frame)
{
	bool decapsulate = strcmp(which, "decapsulate") == 0;
	uint32_t at = decapsulate ? 34 : 14, inner = f->is_ipv6 ? 62 : 50;
	const struct address to = numbered(f, 0);
	const struct address from = strcmp(which, "external") ? source(f)
				    : f->is_ipv6              ? text_address("2001:db9::7")
							      : text_address("198.51.100.7");
	const struct address peer = text_address("192.0.2.3"), us = text_address("192.0.2.2");

	if (decapsulate) {
		memcpy(frame, f->mac[BACKPLANE].bytes, 6);
		ipv4_put(frame + 14, inner + 20, f->is_ipv6 ? 41 : 4, &peer, &us);
	} else {
		memcpy(frame, strcmp(which, "external") ? gateway.bytes : f->mac[EXTERNAL].bytes,
		       6);
	}
	memcpy(frame + 6, sender.bytes, 6);
	put_u16(frame + 12, f->is_ipv6 && !decapsulate ? 0x86dd : 0x0800);
	if (f->is_ipv6)
		ipv6_put(frame + at, inner, &from, &to);
	else
		ipv4_put(frame + at, inner, 17, &from, &to);
	put_u16(frame + at + inner - 8 + 4, 8); /* UDP's length */
	shape->size = at + inner;
	shape->head_size = at + (f->is_ipv6 ? 40 : 20);
	shape->address = at + (f->is_ipv6 ? 36 : 16);
	memcpy(shape->head, frame, shape->head_size);
	memcpy(&shape->base, frame + shape->address, 4);
	shape->base = __builtin_bswap32(shape->base);
	return shape->size;
}
