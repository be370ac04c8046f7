/* openflow/channel: two ends wired to each other, and hostile bytes. */
#include "openflow/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct end {
	struct channel ch;
	unsigned ups, messages;
	uint8_t last_type;
	uint32_t last_xid;
	int answer, last_error;
	size_t last_offender_size;
	/* Of those that were looked at before their turn. */
	unsigned ahead, in_turn, furthest;
};

static void on_up(void *context)
{
	((struct end *)context)->ups++;
}

static int on_message(void *context, const struct ofp_header *header, struct reader *body)
{
	struct end *e = context;
	struct ofp_error error;

	e->messages++;
	e->last_type = header->type;
	e->last_xid = header->xid;
	if (header->type == OFPT_ERROR) {
		assert_int_equal(ofp_error_decode(body, &error), 0);
		e->last_error = error.result;
		e->last_offender_size = error.offender_size;
	}
	return e->answer;
}

static void on_ahead(void *context, const uint8_t *bytes, size_t size)
{
	struct end *e = context;
	struct reader rd = reader_make(bytes, size);
	struct ofp_header header;

	assert_int_equal(ofp_header_decode(&rd, &header), 0);
	assert_int_equal(header.size, size);
	e->ahead++;
	e->in_turn += header.xid == e->ahead;
	if (e->ahead - e->messages > e->furthest)
		e->furthest = e->ahead - e->messages;
}

static const struct channel_ops ops = {on_up, on_message, on_ahead};

static void start(struct end *e)
{
	memset(e, 0, sizeof(*e));
	channel_init(&e->ch, &ops, e, 1000, 0);
}

static void feed(struct end *e, const void *bytes, size_t size)
{
	channel_receive(&e->ch, bytes, size, 5);
}

/* An end whose HELLO has been answered, and whose 'out' is empty. */
static void start_up(struct end *e)
{
	static const uint8_t hello[] = {4, OFPT_HELLO, 0, 8, 0, 0, 0, 1};

	start(e);
	feed(e, hello, sizeof(hello));
	assert_int_equal(e->ch.state, CHANNEL_UP);
	buffer_clear(&e->ch.out);
}

/* Moves what each has to say to the other until both are silent. */
static void converse(struct end *a, struct end *b)
{
	while (a->ch.out.size || b->ch.out.size) {
		struct buffer taken = a->ch.out;

		a->ch.out = (struct buffer){0};
		feed(b, taken.data, taken.size);
		buffer_finish(&taken);
		taken = b->ch.out;
		b->ch.out = (struct buffer){0};
		feed(a, taken.data, taken.size);
		buffer_finish(&taken);
	}
}

/* What the first message in 'out' is. */
static struct ofp_header sent(const struct end *e, struct reader *ret_body)
{
	struct reader rd = reader_make(e->ch.out.data, e->ch.out.size);
	struct ofp_header h;

	assert_int_equal(ofp_header_decode(&rd, &h), 0);
	*ret_body = read_sub(&rd, h.size - OFP_HEADER_SIZE);
	return h;
}

static void assert_sent_error(const struct end *e, int result)
{
	struct ofp_error error;
	struct reader body;

	assert_int_equal(sent(e, &body).type, OFPT_ERROR);
	assert_int_equal(ofp_error_decode(&body, &error), 0);
	assert_int_equal(error.result, result);
}

static void two_ends_come_up_and_talk(void **state)
{
	struct end a, b;

	start(&a);
	start(&b);
	converse(&a, &b);
	assert_int_equal(a.ch.state, CHANNEL_UP);
	assert_int_equal(b.ch.state, CHANNEL_UP);
	assert_int_equal(a.ups, 1);
	ofp_empty_encode(&a.ch.out, OFPT_BARRIER_REQUEST, 77);
	converse(&a, &b);
	assert_int_equal(b.messages, 1);
	assert_int_equal(b.last_type, OFPT_BARRIER_REQUEST);
	assert_int_equal(b.last_xid, 77);
	channel_finish(&a.ch);
	channel_finish(&b.ch);
}

static void any_cut_of_the_bytes_gives_the_same_messages(void **state)
{
	for (size_t cut = 1; cut < 40; cut++) {
		struct buffer b = {0};
		struct end e;

		start(&e);
		ofp_hello_encode(&b, 1);
		for (unsigned i = 0; i < 20; i++) {
			ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, i);
			ofp_features_encode(&b, i, &(struct ofp_features){0});
		}
		for (size_t at = 0; at < b.size; at += cut)
			feed(&e, b.data + at, b.size - at < cut ? b.size - at : cut);
		assert_int_equal(e.messages, 40);
		assert_int_equal(e.last_xid, 19);
		assert_int_equal(e.ch.in.size, 0);
		buffer_finish(&b);
		channel_finish(&e.ch);
	}
}

static void a_peer_of_openflow_1_0_is_turned_away(void **state)
{
	static const uint8_t hello[] = {1, OFPT_HELLO, 0, 8, 0, 0, 0, 1};
	struct end e;

	start(&e);
	buffer_clear(&e.ch.out);
	feed(&e, hello, sizeof(hello));
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	assert_non_null(e.ch.down_reason);
	assert_int_equal(e.ups, 0);
	assert_sent_error(&e, -OFP_HELLO_FAILED_INCOMPATIBLE);
	channel_finish(&e.ch);
}

static void a_peer_that_offers_more_than_we_speak_comes_up_if_ours_is_among_it(void **state)
{
	static const uint8_t with[] = {6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x72};
	static const uint8_t without[] = {6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x62};
	static const uint8_t plain[] = {6, 0, 0, 8, 0, 0, 0, 1};
	struct end e;

	start(&e);
	feed(&e, with, sizeof(with));
	assert_int_equal(e.ch.state, CHANNEL_UP);
	channel_finish(&e.ch);
	start(&e);
	feed(&e, without, sizeof(without));
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	channel_finish(&e.ch);
	start(&e);
	feed(&e, plain, sizeof(plain));
	assert_int_equal(e.ch.state, CHANNEL_UP);
	channel_finish(&e.ch);
}

static void a_first_message_that_is_no_hello_takes_it_down(void **state)
{
	static const uint8_t barrier[] = {4, OFPT_BARRIER_REQUEST, 0, 8, 0, 0, 0, 1};
	struct end e;

	start(&e);
	feed(&e, barrier, sizeof(barrier));
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	assert_int_equal(e.messages, 0);
	channel_finish(&e.ch);
}

static void a_frame_shorter_than_a_header_takes_it_down(void **state)
{
	static const uint8_t bytes[] = {4, OFPT_BARRIER_REQUEST, 0, 7, 0, 0, 0, 1,
					4, OFPT_BARRIER_REQUEST, 0, 8, 0, 0, 0, 1};
	struct end e;

	start_up(&e);
	feed(&e, bytes, sizeof(bytes));
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	assert_sent_error(&e, -OFP_BAD_REQUEST_BAD_LEN);
	assert_int_equal(e.messages, 0);
	feed(&e, bytes + 8, 8); /* nothing is heard any more */
	assert_int_equal(e.messages, 0);
	channel_finish(&e.ch);
}

static void another_version_takes_it_down(void **state)
{
	static const uint8_t bytes[] = {5, OFPT_BARRIER_REQUEST, 0, 8, 0, 0, 0, 1};
	struct end e;

	start_up(&e);
	feed(&e, bytes, sizeof(bytes));
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	assert_sent_error(&e, -OFP_BAD_REQUEST_BAD_VERSION);
	channel_finish(&e.ch);
}

static void an_echo_request_is_answered_with_its_payload(void **state)
{
	static const uint8_t bytes[] = {4, OFPT_ECHO_REQUEST, 0, 11, 0, 0, 0, 9, 'a', 'b', 'c'};
	struct reader body;
	struct ofp_header h;
	struct end e;

	start_up(&e);
	feed(&e, bytes, sizeof(bytes));
	h = sent(&e, &body);
	assert_int_equal(h.type, OFPT_ECHO_REPLY);
	assert_int_equal(h.xid, 9);
	assert_int_equal(reader_left(&body), 3);
	assert_memory_equal(body.at, "abc", 3);
	assert_int_equal(e.messages, 0);
	channel_finish(&e.ch);
}

static void an_error_from_the_callback_goes_to_the_peer(void **state)
{
	struct end a, b;
	struct ofp_flow_mod f = {0};

	start_up(&a);
	start_up(&b);
	b.answer = -OFP_FLOW_MOD_FAILED_TABLE_FULL;
	ofp_actions_add_output(&f.instructions.apply, 1);
	f.instructions.present = OFP_INSTRUCTION_APPLY_ACTIONS;
	ofp_flow_mod_encode(&a.ch.out, 42, &f);
	converse(&a, &b);
	assert_int_equal(a.last_type, OFPT_ERROR);
	assert_int_equal(a.last_xid, 42);
	assert_int_equal(a.last_error, -OFP_FLOW_MOD_FAILED_TABLE_FULL);
	assert_int_equal(a.last_offender_size, 80); /* all of it */
	assert_int_equal(a.ch.count.errors_in, 1);
	assert_int_equal(b.ch.count.errors_out, 1);
	assert_int_equal(b.ch.state, CHANNEL_UP);
	channel_finish(&a.ch);
	channel_finish(&b.ch);
}

static void an_error_is_never_answered_with_an_error(void **state)
{
	struct end a, b;

	start_up(&a);
	start_up(&b);
	a.answer = b.answer = -OFP_BAD_REQUEST_BAD_TYPE;
	ofp_empty_encode(&a.ch.out, OFPT_BARRIER_REQUEST, 1);
	converse(&a, &b);
	assert_int_equal(a.messages, 1);
	assert_int_equal(b.messages, 1);
	channel_finish(&a.ch);
	channel_finish(&b.ch);
}

static void the_callback_can_close_the_channel(void **state)
{
	static const uint8_t bytes[] = {4, OFPT_BARRIER_REQUEST, 0, 8, 0, 0, 0, 1,
					4, OFPT_BARRIER_REQUEST, 0, 8, 0, 0, 0, 2};
	struct end e;

	start_up(&e);
	e.answer = -ECONNRESET;
	feed(&e, bytes, sizeof(bytes));
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	assert_int_equal(e.messages, 1);
	channel_finish(&e.ch);
}

static void silence_is_asked_about_and_then_ended(void **state)
{
	static const uint8_t reply[] = {4, OFPT_ECHO_REPLY, 0, 8, 0, 0, 0, 2};
	struct reader body;
	struct end e;

	start_up(&e); /* heard at 5 */
	channel_tick(&e.ch, 1004);
	assert_int_equal(e.ch.out.size, 0);
	channel_tick(&e.ch, 1005);
	assert_int_equal(sent(&e, &body).type, OFPT_ECHO_REQUEST);
	buffer_clear(&e.ch.out);
	channel_tick(&e.ch, 1500);
	assert_int_equal(e.ch.out.size, 0); /* one is outstanding */
	channel_receive(&e.ch, reply, sizeof(reply), 1600);
	assert_int_equal(e.messages, 0);
	channel_tick(&e.ch, 3100);
	assert_int_equal(sent(&e, &body).type, OFPT_ECHO_REQUEST);
	channel_tick(&e.ch, 4599);
	assert_int_equal(e.ch.state, CHANNEL_UP);
	channel_tick(&e.ch, 4600);
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	channel_finish(&e.ch);
}

static void a_peer_that_never_says_hello_is_given_up(void **state)
{
	struct end e;

	start(&e);
	channel_tick(&e.ch, 2999);
	assert_int_equal(e.ch.state, CHANNEL_HELLO_SENT);
	channel_tick(&e.ch, 3000);
	assert_int_equal(e.ch.state, CHANNEL_DOWN);
	channel_finish(&e.ch);
}

static void a_burst_of_a_hundred_thousand_messages_is_handled_at_once(void **state)
{
	struct buffer b = {0};
	struct end e;

	start_up(&e);
	for (unsigned i = 0; i < 100000; i++)
		ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, i);
	feed(&e, b.data, 3);
	feed(&e, b.data + 3, b.size - 3);
	assert_int_equal(e.messages, 100000);
	assert_int_equal(e.ch.in.size, 0);
	buffer_finish(&b);
	channel_finish(&e.ch);
}

static void what_is_behind_a_message_is_looked_at_once_and_in_time(void **state)
{
	struct buffer b = {};
	struct end e;

	start_up(&e);
	for (uint32_t i = 1; i <= 100; i++)
		ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, i);
	feed(&e, b.data, b.size - 4); /* the last one is not whole */
	assert_int_equal(e.messages, 99);
	assert_int_equal(e.ahead, 99);
	assert_int_equal(e.in_turn, 99);
	assert_int_equal(e.furthest, CHANNEL_AHEAD);
	feed(&e, b.data + b.size - 4, 4);
	assert_int_equal(e.messages, 100);
	assert_int_equal(e.ahead, 99); /* nothing was to be gained */
	buffer_finish(&b);
	channel_finish(&e.ch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_ends_come_up_and_talk),
		cmocka_unit_test(any_cut_of_the_bytes_gives_the_same_messages),
		cmocka_unit_test(a_peer_of_openflow_1_0_is_turned_away),
		cmocka_unit_test(
			a_peer_that_offers_more_than_we_speak_comes_up_if_ours_is_among_it),
		cmocka_unit_test(a_first_message_that_is_no_hello_takes_it_down),
		cmocka_unit_test(a_frame_shorter_than_a_header_takes_it_down),
		cmocka_unit_test(another_version_takes_it_down),
		cmocka_unit_test(an_echo_request_is_answered_with_its_payload),
		cmocka_unit_test(an_error_from_the_callback_goes_to_the_peer),
		cmocka_unit_test(an_error_is_never_answered_with_an_error),
		cmocka_unit_test(the_callback_can_close_the_channel),
		cmocka_unit_test(silence_is_asked_about_and_then_ended),
		cmocka_unit_test(a_peer_that_never_says_hello_is_given_up),
		cmocka_unit_test(a_burst_of_a_hundred_thousand_messages_is_handled_at_once),
		cmocka_unit_test(what_is_behind_a_message_is_looked_at_once_and_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
