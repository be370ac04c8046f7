/* The BPF data plane as the agent's shell holds it: loads and pins bpf/victor.bpf.c, attaches it to
 * ports, puts struct datapath_ops into BPF maps and hands upcalls out.  Everything lives in a bpffs
 * directory, so that filters and maps forward on when the process dies, and the next one adopts
 * them.  So does the device 'victor-ID', the data plane's own (bpf/inner.h).
 *
 * The pin directory is a mount point of its own, outside /sys (it is mounted here if it is none).
 * 'ip netns exec' runs its command in a private mount namespace whose mounts die with it: start an
 * agent in a namespace by setns(CLONE_NEWNET) alone (nsenter --net=...), or mount the bpffs before.
 */
#pragma once

#include "base/reason.h"
#include "fe/agent.h"
#include "fe/datapath.h"

struct datapath;

/* Such a device's name: this and the FE's id.  None of them is a port. */
#define DATAPATH_DEVICE_PREFIX "victor-"

/* How many upcalls a second each access port may cause, and how many at once; 0: the standard. */
struct datapath_share {
	uint32_t rate, burst;
};
#define DATAPATH_RATE_MAX 1000000u
#define DATAPATH_BURST_MAX 100000u

/* What access ports refuse beyond what the tables say (docs/guard.md). */
struct datapath_guard {
	struct datapath_share neighbor, stranger, registration;
	bool closed;                 /* nodes do not reach this machine's own addresses */
	const struct prefix *shield; /* nor these, nor the underlay's; borrowed for the call */
	unsigned shield_count;
};
#define DATAPATH_SHIELDS_MAX 256

/* Where packets go the short way at XDP: nowhere; on devices behind which is a wire; on all that
 * take such a program (their senders must leave no sums and no segments to devices). */
enum datapath_xdp { DATAPATH_XDP_OFF, DATAPATH_XDP_AUTO, DATAPATH_XDP_ON };

struct datapath_config {
	uint32_t fe; /* 1..65535 */
	struct backplane backplane;
	uint16_t backplane_mtu; /* of the underlay, with the outer header; 0: the device's */
	uint32_t binding_limit; /* 0: 65536.  Adopted pins keep the limit they were made with. */
	uint64_t seed;
	const char *pin_directory;
	struct datapath_guard guard;
	enum datapath_xdp xdp;
};

/* What datapath_ops functions get as 'context' points to one of these, or to a struct that begins
 * with one. */
struct datapath_context {
	struct datapath *datapath;
};

/* -EPERM with a line for the user where a capability is missing; datapath_open asks this too. */
MUST_USE int datapath_check_privileges(struct reason *why);

/* Returns 0; or a negative errno with a line for the user in '*why': no privileges, no bpffs, a
 * kernel that refuses the programs, pins of another layout (-EEXIST) or of another FE (-EBUSY). */
MUST_USE int datapath_open(const struct datapath_config *config, struct datapath **ret,
			   struct reason *why);
/* Leaves filters, maps and pins as they are, forwarding; 'remove': detaches and unpins everything.
 * Accepts NULL. */
void datapath_close(struct datapath *dp, bool remove);

/* Detaches and unpins everything that such a data plane left, another release's too. */
MUST_USE int datapath_remove(const struct datapath_config *config, struct reason *why);

const struct datapath_ops *datapath_operations(void);

/* Whether pins were there and are used on. */
bool datapath_adopted(const struct datapath *dp);
/* The pinned list: calls the two for each rule and group. */
void datapath_adopt(struct datapath *dp, void (*rule)(void *to, const struct rule *),
		    void (*group)(void *to, const struct rule_group *), void *to);
void datapath_adopt_links(struct datapath *dp, void (*link)(void *to, const struct datapath_link *),
			  void *to);
/* The announcements that the agent before kept for a controller. */
void datapath_adopt_kept(struct datapath *dp,
			 void (*each)(void *to, const struct kept_key *key,
				      const struct kept_frame *frame),
			 void *to);
/* After the agent has set what should be there (agent_adopt_done and every port): removes the
 * entries and detaches the ports that nobody has set since datapath_open. */
void datapath_adopt_done(struct datapath *dp);

/* Upcalls: poll the fd for reading, then call poll, which hands all that is queued to 'upcall'
 * and returns how many that were.  The frame is borrowed for the call. */
void datapath_set_upcall(struct datapath *dp, void (*upcall)(void *to, const struct upcall *),
			 void *to);
int datapath_fd(const struct datapath *dp);
int datapath_poll_upcalls(struct datapath *dp);

/* Every verdict's counter, the drops included (include/victor/dataplane.h has the names). */
void datapath_verdicts(struct datapath *dp, void (*add)(void *to, const struct drop_count *),
		       void *to);
