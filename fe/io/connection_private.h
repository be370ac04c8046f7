/* What connection.c and connection_tls.c share. */
#pragma once

#include "base/wire.h"
#include "fe/io/connection.h"
#include "tls/session.h"

#define READ_SIZE 65536
#define TOLD_SIZE 160

union stream {
	uv_handle_t handle;
	uv_stream_t any;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

struct listener {
	union stream stream;
	struct connections *all;
	struct endpoint endpoint;
};

/* A controller to be connected to. */
struct dialer {
	struct connections *all;
	struct endpoint endpoint;
	uv_timer_t timer; /* the next call, or the end of this one */
	struct connection *connection;
	unsigned backoff_ms;
	int64_t connected_ms;
	char told[TOLD_SIZE]; /* what was logged last: why it cannot be reached, or does not take us
			       */
};

struct connections {
	uv_loop_t *loop;
	struct agent *agent;
	struct listener listeners[CONFIG_LISTENERS_MAX];
	struct dialer dialers[CONFIG_CONTROLLERS_MAX];
	struct connection *list;
	unsigned listener_count, dialer_count, accepted_count;
	unsigned open; /* handles of ours that are not closed yet */
	bool closing;
	uint64_t heard;              /* reads that were handed to the agent */
	struct tls_context *tls;     /* NULL: no controller is "tls:" */
	int told_days;               /* how long our certificate lasts, as it was last said */
	struct buffer plain;         /* shared: what one read says, out of TLS */
	char read_buffer[READ_SIZE]; /* shared: each read is handed on before the next */
};

struct connection {
	union stream stream;
	uv_connect_t request;
	uv_write_t writing;
	struct buffer in_flight; /* what 'writing' writes; empty: nothing */
	struct connections *all;
	struct connection *next, **link;  /* in the list of all */
	struct dialer *dialer;            /* NULL: we were called */
	struct agent_connection *session; /* NULL: the agent does not know it */
	struct tls_session *tls;          /* NULL: plain */
	const char *reason;               /* why it is closing, for the log */
	bool is_explained;                /* the agent has logged it */
	char peer[ENDPOINT_TEXT_SIZE];
};

/* connection.c */
/* The agent hears of it later, from the loop. */
void connection_close(struct connection *c, const char *reason);
/* Writes what the agent and TLS have to say. */
void connection_write(struct connection *c);
/* From now on the agent knows it. */
void connection_start_session(struct connection *c, const struct endpoint *e);

/* connection_tls.c */
/* The certificate must be this element's: the controller compares. */
MUST_USE int connections_open_tls(struct connections *all, const struct config *config,
				  struct reason *why);
/* 0 and what the bytes say in all->plain; -1: the connection is closed. */
MUST_USE int connection_decrypt(struct connection *c, const void *bytes, size_t size);
