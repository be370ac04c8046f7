/* One OpenFlow connection as a state machine: what channel.h promises.  The shell around it (the
 * controller's southbound, victor-fe's main) owns the socket and the clock; the messages' bodies
 * are message.c's and multipart.c's.
 *
 *	HELLO_SENT --peer's HELLO--> UP --> DOWN (broken frame, silence, a peer of another version)
 *
 * Input is parsed where it lies: only what is left of a message that is not all here yet is copied,
 * once for each call. */
#include "openflow/channel.h"

#include <errno.h>
#include <string.h>

static void channel_enter(struct channel *ch, enum channel_state state, const char *reason)
{
	ch->state = state;
	switch (state) {
	case CHANNEL_HELLO_SENT:
		ofp_hello_encode(&ch->out, channel_xid(ch));
		ch->count.messages_out++;
		return;
	case CHANNEL_UP:
		ch->ops->up(ch->context);
		return;
	case CHANNEL_DOWN:
		ch->down_reason = reason;
		return;
	}
}

void channel_init(struct channel *ch, const struct channel_ops *ops, void *context,
		  unsigned echo_interval_ms, int64_t now_ms)
{
	*ch = (struct channel){
		.ops = ops,
		.context = context,
		.next_xid = 1,
		.heard_ms = now_ms,
		.echo_interval_ms = echo_interval_ms,
	};
	channel_enter(ch, CHANNEL_HELLO_SENT, NULL);
}

void channel_finish(struct channel *ch)
{
	buffer_finish(&ch->in);
	buffer_finish(&ch->out);
}

uint32_t channel_xid(struct channel *ch)
{
	return ch->next_xid++;
}

void channel_send_error(struct channel *ch, uint32_t xid, int result, const void *offender,
			size_t offender_size)
{
	const struct ofp_error e = {result, offender, offender_size};

	ofp_error_encode(&ch->out, xid, &e);
	ch->count.messages_out++;
	ch->count.errors_out++;
}

/* A whole message, and the cursor behind its header. */
struct frame {
	struct ofp_header header;
	const uint8_t *bytes;
	struct reader body;
};

static void refuse(struct channel *ch, const struct frame *f, int result)
{
	channel_send_error(ch, f->header.xid, result, f->bytes, f->header.size);
}

static void negotiate(struct channel *ch, struct frame *f)
{
	static const char text[] = "only OpenFlow 1.3 (version 4) is spoken here";
	uint32_t versions;

	if (ofp_hello_decode(&f->body, f->header.version, &versions)) {
		refuse(ch, f, -OFP_BAD_REQUEST_BAD_LEN);
		channel_enter(ch, CHANNEL_DOWN, "the peer's HELLO is broken");
	} else if (versions >> OFP_VERSION & 1) {
		channel_enter(ch, CHANNEL_UP, NULL);
	} else {
		/* The offender of this error is text for a person (section 7.4.4.1). */
		channel_send_error(ch, f->header.xid, -OFP_HELLO_FAILED_INCOMPATIBLE, text,
				   sizeof(text) - 1);
		channel_enter(ch, CHANNEL_DOWN, "the peer does not offer OpenFlow 1.3");
	}
}

static void receive_first(struct channel *ch, struct frame *f)
{
	switch (f->header.type) {
	case OFPT_HELLO:
		negotiate(ch, f);
		return;
	case OFPT_ERROR:
		ch->count.errors_in++;
		channel_enter(ch, CHANNEL_DOWN, "the peer refused our HELLO");
		return;
	default:
		refuse(ch, f, -OFP_BAD_REQUEST_BAD_TYPE);
		channel_enter(ch, CHANNEL_DOWN, "the peer's first message is no HELLO");
	}
}

static void deliver(struct channel *ch, struct frame *f)
{
	int r;

	if (f->header.type == OFPT_ERROR)
		ch->count.errors_in++;
	r = ch->ops->message(ch->context, &f->header, &f->body);
	if (r == -ECONNRESET)
		channel_enter(ch, CHANNEL_DOWN, "closed from this side");
	else if (r < 0 && f->header.type != OFPT_ERROR) /* or two peers never stop */
		refuse(ch, f, r);
}

static void receive_up(struct channel *ch, struct frame *f)
{
	switch (f->header.type) {
	case OFPT_HELLO:
		return; /* a second one says nothing new */
	case OFPT_ECHO_REQUEST:
		ofp_echo_encode(&ch->out, OFPT_ECHO_REPLY, f->header.xid, f->body.at,
				reader_left(&f->body));
		ch->count.messages_out++;
		return;
	case OFPT_ECHO_REPLY:
		return; /* any byte is a sign of life: channel_receive has noted it */
	default:
		deliver(ch, f);
	}
}

static void receive_frame(struct channel *ch, struct frame *f)
{
	ch->count.messages_in++;
	if (ch->state == CHANNEL_HELLO_SENT) {
		receive_first(ch, f);
	} else if (f->header.version != OFP_VERSION) {
		refuse(ch, f, -OFP_BAD_REQUEST_BAD_VERSION);
		channel_enter(ch, CHANNEL_DOWN, "a message of another OpenFlow version");
	} else {
		receive_up(ch, f);
	}
	/* Our answers wait for the peer to read them; one that only asks is let go. */
	if (ch->state != CHANNEL_DOWN && ch->out.size > CHANNEL_OUT_MAX)
		channel_enter(ch, CHANNEL_DOWN, "the peer does not read");
}

/* How far the messages behind the one that is received next were looked at. */
struct outlook {
	struct reader rd;
	unsigned count; /* of messages */
};

static void look_ahead(const struct channel *ch, struct outlook *o)
{
	while (o->count < CHANNEL_AHEAD && reader_left(&o->rd) >= OFP_HEADER_SIZE) {
		struct reader inside = o->rd;
		struct ofp_header header;

		if (ofp_header_decode(&inside, &header) || reader_left(&o->rd) < header.size)
			return;
		ch->ops->ahead(ch->context, o->rd.at, header.size);
		read_skip(&o->rd, header.size);
		o->count++;
	}
}

/* Takes whole messages off the front of 'rd'. */
static void receive_frames(struct channel *ch, struct reader *rd)
{
	struct outlook outlook = {.rd = *rd};

	while (ch->state != CHANNEL_DOWN && reader_left(rd) >= OFP_HEADER_SIZE) {
		struct reader ahead = *rd;
		struct frame f = {.bytes = rd->at};

		if (ofp_header_decode(&ahead, &f.header)) {
			channel_send_error(ch, f.header.xid, -OFP_BAD_REQUEST_BAD_LEN, f.bytes,
					   OFP_HEADER_SIZE);
			channel_enter(ch, CHANNEL_DOWN, "a broken frame");
			return;
		}
		if (reader_left(rd) < f.header.size)
			return;
		if (ch->ops->ahead && (outlook.count || reader_left(rd) > f.header.size)) {
			look_ahead(ch, &outlook);
			outlook.count--;
		}
		f.body = read_sub(&ahead, f.header.size - OFP_HEADER_SIZE);
		read_skip(rd, f.header.size);
		ch->more = reader_left(rd) >= OFP_HEADER_SIZE;
		receive_frame(ch, &f);
	}
}

void channel_receive(struct channel *ch, const uint8_t *bytes, size_t size, int64_t now_ms)
{
	struct reader rd = reader_make(bytes, size);
	bool kept = ch->in.size > 0;

	if (ch->state == CHANNEL_DOWN || !size)
		return;
	ch->heard_ms = now_ms;
	ch->echo_sent_ms = 0;
	if (kept) {
		buffer_add_bytes(&ch->in, bytes, size);
		rd = reader_make(ch->in.data, ch->in.size);
	}
	receive_frames(ch, &rd);
	ch->more = false;
	if (ch->state == CHANNEL_DOWN)
		buffer_clear(&ch->in);
	else if (kept)
		buffer_drop_front(&ch->in, ch->in.size - reader_left(&rd));
	else
		buffer_add_bytes(&ch->in, rd.at, reader_left(&rd));
}

void channel_probe(struct channel *ch, int64_t now_ms)
{
	if (ch->state != CHANNEL_UP || ch->echo_sent_ms)
		return;
	ofp_echo_encode(&ch->out, OFPT_ECHO_REQUEST, channel_xid(ch), NULL, 0);
	ch->count.messages_out++;
	ch->echo_sent_ms = now_ms;
}

void channel_tick(struct channel *ch, int64_t now_ms)
{
	int64_t silence = now_ms - ch->heard_ms;

	if (ch->state == CHANNEL_DOWN || !ch->echo_interval_ms)
		return;
	if (silence >= 3 * (int64_t)ch->echo_interval_ms) {
		channel_enter(ch, CHANNEL_DOWN, "the peer is silent");
	} else if (silence >= ch->echo_interval_ms) {
		channel_probe(ch, now_ms);
	}
}
