/* What datapath.c (open, adopt, close), datapath_port.c (attachment to devices) and datapath_ops.c
 * (entries and counters) share. */
#pragma once

#include "base/table.h"
#include "fe/io/binding_table.h"
#include "fe/io/datapath.h"
#include "fe/io/upcall_ring.h"
#include "include/victor/dataplane.h"

#include <bpf/libbpf.h>
#include <victor.skel.h>

/* Of what the agent keeps in maps. */
#define DATAPATH_RULE_SIZES                                                   \
	(sizeof(struct datapath_link) << 24 | sizeof(struct rule_key) << 16 | \
	 sizeof(struct rule) << 8 | sizeof(struct rule_group))

struct datapath_device {
	struct datapath_port port;
	bool attached;    /* by this process: the filter runs this process's program */
	bool promiscuous; /* we made it so */
	bool xdp;         /* the short way runs at XDP too */
	bool adopted;     /* known from the pins, not set again yet */
};

/* An adopted entry is stale until it is set again. */
enum stale_kind { STALE_PEER, STALE_SOURCE, STALE_PREFIX, STALE_LINK, STALE_COUNT };

struct datapath {
	struct victor_bpf *skeleton;
	struct upcall_ring ring;
	char *pin_directory;
	int lock_fd;   /* of the directory */
	int packet_fd; /* sends frames */
	int raw_fd[2]; /* sends IP packets of ours: v4, v6 */
	int route_fd;  /* asks for the devices' counters, makes the inner device */
	unsigned cpus;
	enum datapath_xdp xdp;
	bool adopted;
	bool migrates;          /* some pinned maps must be made anew */
	bool bindings_move;     /* those of the bindings are among them */
	uint32_t pinned_layout; /* adopted: of what was pinned */
	struct map_config config;
	uint32_t route_sequence;
	struct table devices; /* port number -> struct datapath_device */
	struct table stale[STALE_COUNT];
	struct binding_table bindings; /* in: */
	struct map_shape *shape_memory;
	struct mapped_array bucket_array, record_array;
	void (*upcall)(void *to, const struct upcall *);
	void *upcall_to;
	unsigned upcalls; /* since the poll began */
};

static inline struct datapath *datapath_of(void *context)
{
	return ((struct datapath_context *)context)->datapath;
}

static inline int map_fd(const struct bpf_map *map)
{
	return bpf_map__fd(map);
}

/* As the maps have them. */
struct map_address_key map_address_key_make(uint32_t vrf, const struct address *address);
/* A map's refusal in the words of struct datapath_ops. */
int map_result(int result);

/* datapath_pins.c.  check: 1 if there are pins to adopt, perhaps by a migration; 0 if there are
 * none (the rest of a start that did not get to its end is removed); or why they cannot be.  name:
 * before the maps are loaded.  migrate: after that, before anything is attached. */
char *datapath_pin_path(const struct datapath *dp, const char *map);
void datapath_unpin_all(struct datapath *dp);
void datapath_pins_recover(struct datapath *dp);
int datapath_pins_check(struct datapath *dp, uint32_t fe, struct reason *why);
int datapath_pins_name(struct datapath *dp);
int datapath_pins_migrate(struct datapath *dp, struct reason *why);

int datapath_config_write(struct datapath *dp);
void datapath_adopt_devices(struct datapath *dp);
void datapath_adopt_entries(struct datapath *dp);
void datapath_detach_all(struct datapath *dp);

/* datapath_filter.c.  The program that is ours at a device's way in or out; attaching replaces the
 * one before. */
int datapath_filter_attach(struct datapath *dp, const struct bpf_program *program, uint32_t ifindex,
			   enum bpf_tc_attach_point point);
void datapath_filter_detach(const struct datapath *dp, uint32_t ifindex);

/* datapath_hook.c.  A device's hooks, as links that outlive the process.  set: replaces the program
 * of the process before in one step; -EINVAL: the kernel has no such hook, -EBUSY: there is
 * somebody else's program.  'flags': the kernel's.  clear: nothing to be done if it is not set.
 * hooks_clear: those of all devices. */
enum hook { HOOK_IN, HOOK_OUT, HOOK_XDP };
int datapath_hook_set(const struct datapath *dp, const struct bpf_program *program,
		      uint32_t ifindex, enum hook hook, uint32_t flags);
bool datapath_hook_is_set(const struct datapath *dp, uint32_t ifindex, enum hook hook);
void datapath_hook_clear(const struct datapath *dp, uint32_t ifindex, enum hook hook);
void datapath_hooks_clear(const struct datapath *dp);

/* datapath_xdp.c.  set: attaches or detaches as configured, before the device's maps are written;
 * where it cannot be, a line says so and tc does it all.  take_off_old: what a release without
 * links attached, which only CAP_SYS_ADMIN may know: a start, or a removal. */
void datapath_xdp_set(struct datapath *dp, struct datapath_device *device);
void datapath_xdp_take_off_old(uint32_t ifindex);
int datapath_fast_write(const struct datapath *dp, const struct datapath_device *device,
			const struct map_port *in);
void datapath_fast_remove(const struct datapath *dp, uint32_t ifindex);

/* The device of the long way, for dp->config.fe; a warning if it cannot be had. */
void datapath_inner_open(struct datapath *dp);
void datapath_inner_remove(struct datapath *dp, uint32_t fe);

/* datapath_binding.c.  size: before the maps are loaded; open: after that. */
int datapath_bindings_size(struct victor_bpf *skeleton, uint32_t limit);
int datapath_bindings_open(struct datapath *dp, uint32_t limit, struct reason *why);
void datapath_bindings_close(struct datapath *dp);
/* Fills the table from layout 3's map, of FE 'fe'; from the pinned, smaller one. */
int datapath_bindings_take_over(struct datapath *dp, int old_fd, uint32_t fe);
int datapath_bindings_move(struct datapath *dp);
int datapath_binding_set(void *context, const struct datapath_binding *binding);
void datapath_binding_expect(void *context, uint32_t vrf, const struct address *address);
int datapath_bare_get(void *context, uint32_t vrf, const struct address *address,
		      struct datapath_bare *ret);
bool datapath_bare_next(void *context, uint64_t *at, struct datapath_bare *ret);
int datapath_binding_remove(void *context, uint32_t vrf, const struct address *address);
int64_t datapath_binding_idle_ms(void *context, uint32_t vrf, const struct address *address);
/* What came into VICTOR here; the rest is in the map of counters, which datapath_ops.c reads:
 * 'each' is scratch for one value of each CPU. */
struct map_counter datapath_binding_counter(const struct datapath *dp,
					    const struct map_address_key *key);
void datapath_binding_counters(const struct datapath *dp,
			       void (*add)(void *to, const struct counter *), void *to);
struct map_counter datapath_counter_read(const struct datapath *dp,
					 const struct map_counter_key *key,
					 struct map_counter *each);

int datapath_peer_set(void *context, const struct datapath_peer *peer);
int datapath_peer_remove(void *context, uint32_t fe);
int datapath_source_set(void *context, const struct datapath_source *source);
int datapath_source_remove(void *context, const struct prefix *prefix);
/* The underlay's part of dp->config. */
int datapath_underlay_check(const struct backplane *b, struct reason *why);
void datapath_underlay_fill(struct map_config *config, const struct backplane *b);
int datapath_port_set(void *context, const struct datapath_port *port);
int datapath_port_remove(void *context, uint32_t number);
int datapath_port_stats(void *context, uint32_t number, struct ofp_port_stats *ret);
int datapath_transmit(void *context, uint32_t port, const void *frame, size_t size);
int datapath_port_hold(void *context, uint32_t number, bool holds);
int datapath_resume(void *context, const struct datapath_frame *frame);
void datapath_drain_upcalls(void *context);
void datapath_sweep_entries(struct datapath *dp);

/* datapath_guard.c */
int datapath_guard_write(struct datapath *dp, const struct datapath_config *c);
/* Nothing counted yet, under the verdict's name. */
struct drop_count datapath_drop_count(uint32_t verdict);
void datapath_port_drops(void *context, void (*add)(void *to, const struct drop_count *), void *to);
void datapath_guard_forget(struct datapath *dp, uint32_t number);

int datapath_link_open(struct datapath *dp);
void datapath_link_close(struct datapath *dp);
int datapath_link_set(void *context, const struct datapath_link *link);
int datapath_link_remove(void *context, uint32_t number);
int datapath_link_transmit(void *context, uint32_t number, const void *packet, size_t size);
void datapath_link_count(void *context, uint32_t number, uint64_t *ret_packets,
			 uint64_t *ret_bytes);
