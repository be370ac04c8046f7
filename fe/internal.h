/* What agent.c, request.c and statistics.c share: the agent itself; nobody else includes it. */
#pragma once

#include "fe/fair.h"
#include "fe/hold.h"
#include "fe/link.h"
#include "fe/neighbor.h"
#include "fe/router.h"
#include "fe/summary.h"

#define CONNECTION_ECHO_MS 5000
/* A peer that reads too slowly gets no more packet-ins; announcements are then kept. */
#define CONNECTION_STUFFED_SIZE (8u << 20)

struct agent_connection {
	struct agent *agent;
	struct agent_connection *next;
	struct channel channel;
	void *handle;
	char *peer;
	uint32_t role; /* enum ofp_role: EQUAL, MASTER or SLAVE */
	bool is_controller;
	bool wants_async; /* a controller always; inspection after SET_CONFIG */
	bool introduced;  /* it had our features, and who we are */
	bool ready;       /* it listens (agent_has_controller) */
	bool complete;    /* a MASTER that has synchronised us (agent_is_complete) */
	bool dropped;
	uint16_t miss_send_size;
	struct fair fair;
};

struct agent {
	struct agent_config config;
	struct agent_shell shell;
	struct pipeline pipeline;
	struct neighborhood neighborhood;
	struct hold hold;
	struct links links;
	struct router router;
	struct summary_job summary;
	struct agent_connection *connections;
	uint64_t generation_id;
	bool has_generation;
	int64_t now_ms;
	uint64_t registrations_bad; /* their checksum was */
	uint64_t controllers_refused;
	uint64_t packet_ins_crowded;
	struct overlap overlaps[OVERLAPS_MAX];
	unsigned overlap_count;
	struct buffer frame; /* scratch */
};

/* ahead.c: one that will be handled soon (struct channel_ops). */
void request_ahead(void *connection, const uint8_t *bytes, size_t size);
/* request.c: one message of the peer; the channel answers a negative result. */
MUST_USE int request_handle(struct agent_connection *c, const struct ofp_header *header,
			    struct reader *body);
/* statistics.c: a multipart request. */
MUST_USE int statistics_handle(struct agent_connection *c, const struct ofp_header *header,
			       struct reader *body);

/* One flow of a reply that is being written. */
void statistics_add_flow(const struct agent *a, struct ofp_multipart_writer *w,
			 struct pipeline_entry *entry);

/* registration.c: counted if not. */
bool registration_is_whole(struct agent *a, const struct upcall *u);

/* agent.c */
void agent_set_now(struct agent *a, int64_t now_ms); /* time passes for all parts at once */
void agent_write(struct agent_connection *c);        /* what is to be sent */
/* Whether packet-ins and the like go there; a SLAVE gets port status only. */
bool connection_listens(const struct agent_connection *c);
void connection_introduce(struct agent_connection *c);
void connection_set_ready(struct agent_connection *c);
void agent_describe_port(const struct agent *a, const struct agent_port *port,
			 struct ofp_port *ret);
