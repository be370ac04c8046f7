// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* The packet's way through an FE, hook by hook: access.h, backplane.h, external.h.  parse.h reads
 * the headers, lookup.h finds the entry; deliver.h ends the way at a node or a route, tunnel.h
 * sends it to another FE along what path.h found, icmp.h tells the sender why not, and pmtu.h
 * hears what the underlay tells us; rewrite.h and tc.h change the frame, verdict.h
 * counts what became of it.  fe/io/datapath.c loads and attaches
 * these programs and fills the maps (maps.h, include/victor/dataplane.h).
 *
 * Each returns VERDICT_PASS for whatever is not VICTOR's: the frame goes on untouched (P6). */
#include "bpf/access.h"
#include "bpf/backplane.h"
#include "bpf/external.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
