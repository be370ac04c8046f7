/* What the BPF tests share: an FE's data plane in a network and mount namespace of its own, frames
 * to run through a program (BPF_PROG_RUN), and what came of them.
 *
 * FE 2 has access ports 1 (acc) and 2 (acc2), backplane port 3 (bp, 192.0.2.2 and .102, MTU 1600)
 * and external port 4 (ext, 198.51.100.1/24).  FE 3 is a peer (192.0.2.3, .103).  10.10.0.0/16 is
 * covered, answered for, its gateway is 10.10.0.1. */
#pragma once

#include "fe/io/datapath_private.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAME_MAX 2048
#define TC_OK (-1) /* VERDICT_PASS */
#define TC_DROP 2
#define TC_REDIRECT 7

enum port_number { ACCESS = 1, ACCESS2 = 2, BACKPLANE = 3, EXTERNAL = 4 };

struct bench {
	struct datapath_context context; /* first */
	const struct datapath_ops *ops;
	char directory[64];
	uint32_t ifindex[5];
	struct mac mac[5];            /* the devices' own */
	uint64_t last[VERDICT_COUNT]; /* counted by the last run */
	struct {
		unsigned count;
		uint8_t reason;
		uint32_t port;
		size_t size, wire_size;
		uint16_t vlan;
		uint8_t frame[DATAPLANE_HELD_DATA];
	} upcall;
};

extern const struct mac gateway_mac, node_mac, other_mac;

/* Skips the whole program, saying why, where this cannot run. */
void bench_require_privileges(void);
int bench_create(void **state);
int bench_destroy(void **state);
/* For each test: an open data plane in its usual state; then closed and unpinned. */
int bench_setup(void **state);
int bench_teardown(void **state);
int bench_open(struct bench *b, uint32_t fe, struct reason *why);
void bench_set_port(struct bench *b, enum port_number port, bool admitted, uint16_t mtu);
void bench_set_prefix(struct bench *b, uint8_t kind, const char *prefix, uint32_t fe);
void bench_set_covered(struct bench *b, const char *prefix, const char *gateway, bool unreachable);
void bench_set_local(struct bench *b, const char *address, uint32_t port, uint8_t flags);
void bench_set_foreign(struct bench *b, const char *address, uint32_t fe);
void bench_set_peer(struct bench *b, bool receive);
void bench_renew_limits(struct bench *b); /* every port has its full share again */

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t size;
	uint32_t gso_size; /* in: as the device says */
	int verdict;       /* out */
};

/* Builders; addresses in text.  Payload bytes count up from zero. */
struct frame frame_arp(uint16_t operation, const char *sender, const char *target);
struct frame frame_udp(const char *source, const char *destination, size_t payload);
struct frame frame_udp6(const char *source, const char *destination, size_t payload);
struct frame frame_echo(const char *source, const char *destination);
/* 'inner' in a tunnel packet from one FE to another, as it arrives at device 'to'. */
struct frame frame_tunnel(const struct bench *b, const char *source, const char *destination,
			  const struct frame *inner);
void frame_set_macs(struct frame *f, const struct mac *destination, const struct mac *source);
void frame_set_ipv4(struct frame *f, size_t at, uint8_t value); /* a byte, and the sum anew */

/* Runs the port's program over the frame, which becomes what the program left. */
void bench_run(struct bench *b, enum port_number port, struct frame *f);
/* How many the last bench_run counted under that name. */
uint64_t bench_counted(struct bench *b, enum dataplane_verdict verdict);
/* The same with a program of your choice. */
void bench_run_program(struct bench *b, const struct bpf_program *program, uint32_t ifindex,
		       struct frame *f);
/* One run: that verdict, that count, and (unless it is a redirection) untouched bytes. */
void bench_expect(struct bench *b, enum port_number port, const struct frame *f, int verdict,
		  int counted);
bool frame_sum_is_right(const struct frame *f, size_t at, size_t size);
struct address text_address(const char *text);
