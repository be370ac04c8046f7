/* What southbound.c and southbound_tls.c share. */
#pragma once

#include "controller/io/doorkeeper.h"
#include "controller/io/southbound.h"
#include "tls/session.h"

#define READ_SIZE 65536
#define PEER_SIZE 64
#define HOST_SIZE 48 /* INET6_ADDRSTRLEN, as text */

union stream {
	uv_handle_t handle;
	uv_stream_t any;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

struct listener {
	union stream stream;
	struct southbound *southbound;
	struct endpoint endpoint;
	bool listening;
};

struct southbound {
	uv_loop_t *loop;
	struct core *core;
	uv_timer_t tick, barriers;
	uv_check_t after_poll; /* these two end what flush_soon put off */
	uv_prepare_t before_poll;
	uv_idle_t busy; /* active: the next turn goes on comparing at once */
	struct connection *waiting, **waiting_end; /* in the order of their first bytes */
	struct listener *listeners;
	struct connection *connections; /* a list */
	unsigned listener_count, connection_count;
	unsigned open; /* handles of ours that are not closed yet, connections included */
	bool closing;
	struct tls_context *tls; /* NULL: no listener is "tls:" */
	struct doorkeeper door;
	uv_timer_t window;           /* until strangers are heard again */
	struct buffer plain;         /* shared: what one read says, out of TLS */
	char read_buffer[READ_SIZE]; /* shared: each read is handed on before the next */
};

struct connection {
	union stream stream;
	struct southbound *southbound;
	struct connection *next, **link;                 /* in the southbound's list */
	struct connection *waiting_next, **waiting_link; /* link NULL: nothing waits */
	struct session *session; /* NULL: the core does not know it (any more) */
	const char *reason;      /* why it is closing, for the core */
	struct tls_session *tls; /* NULL: plain */
	struct stranger stranger;
	bool is_paused; /* a stranger for whom there was no time */
	char peer[PEER_SIZE], host[HOST_SIZE];
};

/* southbound.c */
/* The core hears of it later, from the loop. */
void southbound_close_connection(struct connection *c, const char *reason);
/* Writes what the core and TLS have to say to it. */
void southbound_write(struct connection *c);
void southbound_listen_to(struct connection *c);

/* southbound_tls.c */
MUST_USE int southbound_open_tls(struct southbound *sb, const struct tls_files *files,
				 struct reason *why);
void southbound_meet_stranger(struct connection *c, const struct sockaddr_storage *from);
/* Nobody is heard while strangers have had their share of the thread. */
bool southbound_may_hear(struct connection *c);
/* What could not be read yet is read soon. */
void southbound_pause_stranger(struct connection *c);
/* Counts a refusal, tells the other end, and closes.  'who' is the name in the certificate where
 * that is good, else the address. */
void southbound_turn_away(struct connection *c, enum tls_refusal refusal, const char *who,
			  const char *text);
void southbound_turn_away_overdue(struct southbound *sb);
/* What the bytes say is in sb->plain; or a negative errno, and the connection is closed. */
MUST_USE int southbound_decrypt(struct connection *c, const void *bytes, size_t size);
