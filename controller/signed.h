/* What the controller makes of signed registrations (docs/registration.md): verifies, admits, binds
 * by the same way as an announcement, answers, and ends those whose lifetime is over.
 *
 *	signed.c         what a message says, from the frame to the verdict
 *	signed_answer.c  ADVERTISE and REPLY, from the gateway
 *	signed_holder.c  which device has a node, and until when
 */
#pragma once

#include "controller/device.h"
#include "controller/state.h"
#include "packet/datagram.h"
#include "registration/window.h"

#define SIGNED_WHEEL 256 /* seconds; longer lifetimes go round */
/* Refused in a second at one port; then it is not listened to until the next, because a signature
 * costs more to check than to make up. */
#define SIGNED_REFUSED_MAX 50
#define SIGNED_PUSH_MS 1000   /* between two unsolicited ADVERTISEs for a node */
#define SIGNED_PUSHES_MAX 100 /* in a second, at all ports */

/* A device that has a node. */
struct holder {
	char node[NAME_SIZE];
	char device[NAME_SIZE];
	bool known;     /* whose it is; else it was bound by a run whose store is lost */
	bool confirmed; /* it registered in this epoch */
	uint32_t lifetime_s;
	int64_t deadline_ms; /* by 'clock_ms' */
	struct holder *next, **link;
};

struct signed_port {
	int64_t second;
	unsigned refused;
};

struct signed_state {
	int64_t begun_ms;          /* the epoch */
	int64_t clock_ms, tick_ms; /* lifetimes run by this one, which passes over our own stalls */
	int64_t wheel_s;           /* the slot that was looked at last */
	struct table holders;      /* char[NAME_SIZE] node -> struct holder */
	struct table windows; /* struct window_key -> struct registration_window; never removed:
			       * a device that is taken out and put back must not start anew */
	struct table ports;   /* struct port_key -> struct signed_port */
	struct table pushed;  /* char[NAME_SIZE] node -> int64_t */
	struct holder *wheel[SIGNED_WHEEL];
	int64_t push_second;
	unsigned pushes;
	struct registration_counts counts;
	struct buffer message, frame; /* scratch */
};

struct signed_state *signed_create(uint64_t seed, int64_t now_ms);
void signed_destroy(struct signed_state *s);
/* False: the frame is no registration. */
bool signed_heard(struct core *c, struct element *e, const struct sighting *sighting);
void signed_tick(struct core *c);
/* Learning is over: nodes that must sign, bound before this run by nobody knows which device, live
 * for the longest lifetime. */
void signed_learnt(struct core *c);

/* Of what is heard unsigned.  Whether it may bind, or confirm, the node at this place; if not, or
 * if its device has not registered in this epoch, the device is told to register. */
bool signed_admits(struct core *c, const struct node *n, struct element *e, const struct port *p,
		   uint16_t vlan, const struct mac *mac, const struct address *address);
/* The MAC is that of one of the node's devices. */
bool signed_knows_mac(const struct core *c, const struct node *n, const struct mac *mac);

/* signed_holder.c */
struct holder *holder_find(const struct core *c, const char *node);
/* NULL device: not known. */
struct holder *holder_set(struct core *c, const char *node, const char *device,
			  uint32_t lifetime_s);
/* The node is nowhere any more. */
void holder_forget(struct core *c, const char *node);
uint32_t holder_left_s(const struct core *c, const struct holder *h);

/* signed_answer.c: a message and whence it came. */
struct heard {
	struct element *element;
	const struct port *port;
	struct mac source, destination; /* of the frame */
	uint16_t vlan;
	struct datagram datagram;
	struct registration message;
};
struct verdict {
	enum registration_result result;
	enum registration_reason reason;
	const char *text; /* more; NULL: nothing */
	uint32_t lifetime_s;
	uint64_t highest;
};
uint32_t signed_now_s(const struct core *c);
struct registration_place signed_place(const struct element *e, const struct port *p,
				       uint16_t vlan);
/* The key that the node's answers are signed with; NULL: there is none. */
const struct sign_key *signed_answer_key(const struct core *c, const struct device *d);
void signed_advertise(struct core *c, const struct heard *h, const struct device *d);
/* Without a device, or where it says so, unsigned. */
void signed_reply(struct core *c, const struct heard *h, const struct device *d,
		  const struct verdict *v);
/* An ADVERTISE that nobody asked for. */
void signed_push(struct core *c, const struct node *n, struct element *e, const struct port *p,
		 uint16_t vlan, const struct mac *mac, const struct address *address);
