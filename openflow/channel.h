/* One OpenFlow connection, either end: framing, HELLO with version negotiation, ECHO in both
 * directions, liveness (OpenFlow 1.3.5, section 6.3).  No socket, no clock: bytes and time come in,
 * bytes collect in 'out' for the shell to write. */
#pragma once

#include "openflow/message.h"

/* A peer whose messages we answer while it reads none of the answers is let go at this many bytes
 * in 'out'. */
#define CHANNEL_OUT_MAX (256u << 20)

enum channel_state { CHANNEL_HELLO_SENT, CHANNEL_UP, CHANNEL_DOWN };

struct channel_ops {
	/* HELLOs are exchanged and agree on version 1.3. */
	void (*up)(void *context);
	/* One message that is not HELLO, ECHO_*; the body is behind the header.  A negative
	 * OpenFlow error returned is sent to the peer as an ERROR with this message's first bytes
	 * (but never for an ERROR).  It may write to 'out'; it must not finish the channel. */
	int (*message)(void *context, const struct ofp_header *header, struct reader *body);
	/* A whole message, unchecked but for its length, that is here and comes to 'message' after
	 * up to CHANNEL_AHEAD others: whoever knows what it will take can ask memory for that.
	 * NULL: nobody does. */
	void (*ahead)(void *context, const uint8_t *bytes, size_t size);
};
#define CHANNEL_AHEAD 16

struct channel {
	enum channel_state state;
	const struct channel_ops *ops;
	void *context;
	struct buffer in, out; /* 'out' is drained by the shell: write some, buffer_drop_front */
	uint32_t next_xid;
	int64_t heard_ms, echo_sent_ms; /* last bytes from the peer; 0: no echo outstanding */
	unsigned echo_interval_ms;
	const char *down_reason; /* static text, in CHANNEL_DOWN */
	bool more;               /* for ops->message: bytes behind this message are here already */
	/* messages_out: those that the channel itself sends; who encodes into 'out' adds his. */
	struct {
		uint64_t messages_in, messages_out, errors_in, errors_out;
	} count;
};

/* Queues our HELLO.  'echo_interval_ms': after that much silence an ECHO_REQUEST is sent, after
 * three times that the channel is down. */
void channel_init(struct channel *ch, const struct channel_ops *ops, void *context,
		  unsigned echo_interval_ms, int64_t now_ms);
void channel_finish(struct channel *ch);

/* Bytes from the socket, in any cut.  Calls ops; handles all whole messages in it.  After
 * CHANNEL_DOWN the shell closes the connection ('out' may still hold a last ERROR).
 * A broken frame, a wrong version or an ops result of -ECONNRESET takes the channel down. */
void channel_receive(struct channel *ch, const uint8_t *bytes, size_t size, int64_t now_ms);
/* To be called at least every echo_interval_ms / 2. */
void channel_tick(struct channel *ch, int64_t now_ms);
/* Asks at once whether the peer is alive, if it is not asked already. */
void channel_probe(struct channel *ch, int64_t now_ms);
/* A fresh transaction id. */
uint32_t channel_xid(struct channel *ch);
/* Sends an ERROR for 'offender' (a whole message, cut to 256 bytes). */
void channel_send_error(struct channel *ch, uint32_t xid, int result, const void *offender,
			size_t offender_size);
