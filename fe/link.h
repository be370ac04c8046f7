/* The backplane links of this FE: which there are (the controller says), which of them are alive
 * (BFD, RFC 5880 asynchronous mode, a session for each), and how long a packet takes over each
 * (STAMP, RFC 8762).  What comes of it goes to the data plane at once, so that packets take the
 * next path without asking anybody (docs/backplane.md), and then to the observer.
 *
 * Time is in microseconds here, of the same clock as the agent's milliseconds. */
#pragma once

#include "base/table.h"
#include "fe/agent.h"
#include "packet/bfd.h"
#include "packet/datagram.h"

#define LINKS_MAX 4096
#define LINK_HOP_LIMIT 255 /* sent, and demanded where the link is one hop (RFC 5082) */

struct backplane_link {
	struct datapath_link plane; /* as the data plane has it */
	bool has_device;            /* a port's: it is there; the others: always */
	bool has_carrier;
	/* BFD's variables (RFC 5880, section 6.8.1). */
	enum bfd_state state;
	uint8_t diagnostic;
	bool polls;
	uint32_t mine, yours;
	uint8_t remote_multiplier;
	uint32_t remote_tx_us, remote_rx_us;
	int64_t expires_us;  /* 0: nothing is expected */
	int64_t transmit_us; /* when the next packet is due; 0: none is */
	int64_t grace_us;    /* adopted: until then as alive as it was */
	/* STAMP. */
	int64_t probe_us;
	uint32_t sequence; /* of the last request; 0: none, or answered */
	uint32_t sequence_last;
	int64_t delay_us; /* smoothed, one way; -1: not measured */
};

struct links_observer {
	/* It went up or down. */
	void (*changed)(void *context, const struct backplane_link *link);
	void *context;
};

struct links {
	struct address own[FAMILY_COUNT]; /* this FE's backplane addresses; zero: none, no link */
	const struct datapath_ops *ops;
	void *context;
	struct links_observer observer;
	struct table list; /* number -> struct backplane_link */
	uint64_t random;
	int64_t now_us;
	bool is_draining;
	struct buffer packet; /* scratch */
	struct buffer words;
};

void links_init(struct links *l, const struct backplane *own, const struct datapath_ops *ops,
		void *context, const struct links_observer *observer, uint64_t seed,
		int64_t now_us);
void links_finish(struct links *l);

/* 0; -OFP_BAD_REQUEST_EPERM without a backplane address of that family, or where there are too
 * many; _BAD_PORT for a port that is no such device.  'port' is the link's port, NULL where there
 * is none. */
MUST_USE int links_set(struct links *l, const struct link_info *info,
		       const struct agent_port *port);
/* The other end is told (administratively down).  No error where there is none. */
void links_delete(struct links *l, uint32_t number);
/* A pinned link, after a restart; its port is told later. */
void links_adopt(struct links *l, const struct datapath_link *adopted);
/* After all ports were told: the data plane gets what is not as it was. */
void links_adopt_done(struct links *l);

/* The port of that number: new, changed, or (NULL) gone. */
void links_port(struct links *l, uint32_t number, const struct agent_port *port);
/* UPCALL_CONTROL: a frame that is BFD's or STAMP's.  What does not belong is left alone. */
void links_receive(struct links *l, const struct upcall *u);
/* Whether there are links, and all of them are down. */
bool links_are_down(const struct links *l);
/* When links_tick wants to be called; INT64_MAX: never. */
int64_t links_next_us(const struct links *l);
void links_tick(struct links *l, int64_t now_us);

const struct backplane_link *links_find(const struct links *l, uint32_t number);
void links_describe(const struct links *l, const struct backplane_link *link,
		    struct link_state *ret);

/* Within the module: link.c ... */
/* This FE's backplane address of the other's family. */
const struct address *links_own(const struct links *l, const struct address *remote);
bool link_is_logical(const struct link_info *i);      /* IP, UDP: no device of its own */
bool link_is_watched(const struct backplane_link *k); /* there is a session */
void link_write(struct links *l, const struct backplane_link *link);
/* Tells data plane and observer if it is not as alive as they think. */
void link_settle(struct links *l, struct backplane_link *link);
/* ... and link_session.c. */
void link_start(struct links *l, struct backplane_link *link);
void link_reset(struct links *l, struct backplane_link *link, enum bfd_diagnostic diagnostic);
void link_send_bfd(struct links *l, struct backplane_link *link, bool final);
void link_send_now(struct links *l, struct backplane_link *link); /* and schedules the next */
void link_hear(struct links *l, struct backplane_link *link, const struct datagram_arrival *a,
	       int64_t received_us);
void link_send_probe(struct links *l, struct backplane_link *link);
void link_reflect(struct links *l, const struct backplane_link *link, const struct datagram *d,
		  int64_t received_us);
void link_take_delay(struct backplane_link *link, const struct datagram *d, int64_t received_us);
