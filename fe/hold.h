/* Packets that a handoff would lose are kept for a moment, and go on when the tables say where to:
 * those for a node whose port has just lost its carrier, until the node is somewhere else or its
 * port is back; and those that a node sends before its binding is here.  Bounded in number and
 * time; what is over is dropped, as all of it would be otherwise. */
#pragma once

#include "fe/neighbor.h"

#define HOLD_FRAMES 2048 /* of all ports */
#define HOLD_PORT_FRAMES 256
#define HOLD_FRAME_SIZE 2048

struct hold {
	struct pipeline *pipeline;
	int64_t now_ms;
	unsigned hold_ms; /* so long a port holds, and a frame is kept; 0: never */
	struct held_frame *first, **end;
	unsigned count;
	struct table ports; /* uint32_t number -> struct held_port */
	uint64_t dropped;   /* their time was over, or there were too many */
};

void hold_init(struct hold *h, struct pipeline *pipeline, unsigned hold_ms, uint64_t seed,
	       int64_t now_ms);
void hold_finish(struct hold *h);

/* An access port has lost its carrier, or is gone; and it can send. */
void hold_port_down(struct hold *h, uint32_t number);
void hold_port_up(struct hold *h, uint32_t number);
/* UPCALL_HELD. */
void hold_packet(struct hold *h, const struct upcall *u);
/* UPCALL_STRANGER, and what it claims. */
void hold_stranger(struct hold *h, const struct upcall *u, const struct claim *claim);

/* Rules may have changed. */
void hold_settle(struct hold *h);
void hold_tick(struct hold *h);
