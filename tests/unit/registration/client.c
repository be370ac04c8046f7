/* The node's state machine against a controller made here: every message is decoded and checked as
 * the controller does, every answer signed as it does. */
#include "include/victor/register.h"

#include "registration/identity.h"
#include "registration/window.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EPOCH 0x5c0f
#define WALL_US 1764000000000000ull

static const struct registration_place fe2 = {.element = 2, .port = 7};
static const struct registration_place fe3 = {.element = 3, .port = 1, .vlan = 100};
static const struct victor_register_link cable = {.is_up = true, .mac = {0x52, 0x54, 0, 0, 0, 5}};

struct world {
	struct victor_register *r;
	struct sign_key node, controller; /* as the controller has them */
	struct registration_window window;
	uint64_t epoch;
	struct registration_place at; /* where the node's messages come in */
	int64_t now;
	struct registration last; /* of the node's messages; its pointers into 'bytes' */
	uint8_t bytes[VICTOR_REGISTER_SIZE_MAX];
	size_t size;
};

static struct world *setup_identity(uint8_t algorithm, const char *device, bool ask_only)
{
	struct world *w = calloc(1, sizeof(*w));
	struct identity id = {.node = "vm1"};
	struct victor_register_config config = {.wall_us = WALL_US, .ask_only = ask_only};
	char text[IDENTITY_TEXT_MAX], why[200] = "";

	w->epoch = EPOCH;
	w->at = fe2;
	w->now = 1000;
	strcpy(id.device, device);
	assert_int_equal(sign_key_generate(algorithm, &id.key), 0);
	w->node = sign_key_other(&id.key);
	w->controller = id.key;
	if (algorithm == REGISTRATION_ED25519)
		assert_int_equal(sign_key_generate(algorithm, &w->controller), 0);
	id.controller = sign_key_other(&w->controller);
	identity_format(&id, text);
	config.identity = text;
	w->r = victor_register_create(&config, why, sizeof(why));
	assert_string_equal(why, "");
	assert_non_null(w->r);
	return w;
}

static struct world *world_make(void)
{
	return setup_identity(REGISTRATION_BLAKE2B, "", false);
}

static void world_free(struct world *w)
{
	victor_register_destroy(w->r);
	free(w);
}

static const struct victor_register_status *status(const struct world *w)
{
	return victor_register_status(w->r);
}

/* The message that is due now; it must be of this kind, and signed well. */
static void expect(struct world *w, enum registration_kind kind)
{
	w->size = victor_register_send(w->r, w->now, w->bytes);
	assert_true(w->size > 0);
	assert_int_equal(registration_decode(w->bytes, w->size, &w->last), 0);
	assert_string_equal(registration_kind_name(w->last.kind),
			    registration_kind_name((uint8_t)kind));
	assert_true(sign_message_check(&w->last, &w->node));
}

static void expect_nothing(struct world *w)
{
	assert_int_equal(victor_register_send(w->r, w->now, w->bytes), 0);
}

/* Time goes on to when it wants to be called. */
static void wait_until_due(struct world *w)
{
	int64_t due = victor_register_due(w->r);

	assert_true(due != VICTOR_REGISTER_NEVER);
	if (due > w->now)
		w->now = due;
}

static void deliver(struct world *w, const struct registration *m, const struct sign_key *k)
{
	struct buffer b = {0};

	assert_int_equal(sign_message(&b, m, k), 0);
	victor_register_receive(w->r, b.data, b.size, w->now);
	buffer_finish(&b);
}

static struct registration answer(const struct world *w, enum registration_kind kind)
{
	struct registration m = {.kind = (uint8_t)kind,
				 .epoch = w->epoch,
				 .place = w->at,
				 .sequence = w->last.sequence,
				 .now_s = 93,
				 .element_name = "fe2"};

	memcpy(m.node, w->last.node, sizeof(m.node));
	memcpy(m.device, w->last.device, sizeof(m.device));
	return m;
}

static void advertise(struct world *w)
{
	struct registration m = answer(w, REGISTRATION_ADVERTISE);

	deliver(w, &m, &w->controller);
}

static void push(struct world *w)
{
	struct registration m = answer(w, REGISTRATION_ADVERTISE);

	m.is_unsolicited = true;
	m.sequence = 0;
	deliver(w, &m, &w->controller);
}

static void reply(struct world *w, enum registration_result result, enum registration_reason reason)
{
	struct registration m = answer(w, REGISTRATION_REPLY);

	m.result = (uint8_t)result;
	m.reason = (uint8_t)reason;
	m.highest = w->window.sequence;
	m.lifetime_s = result == REGISTRATION_DONE ? w->last.lifetime_s : 0;
	deliver(w, &m, &w->controller);
}

/* As the controller judges: epoch, sequence, place, in this order. */
static void judge(struct world *w)
{
	enum registration_reason reason =
		registration_window_accept(&w->window, w->epoch, &w->last);

	if (reason == REGISTRATION_REASON_NONE && !registration_place_equal(&w->last.place, &w->at))
		reason = REGISTRATION_REASON_ELSEWHERE;
	reply(w, reason ? REGISTRATION_CHALLENGE : REGISTRATION_DONE, reason);
}

static void registered(struct world *w)
{
	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	advertise(w);
	expect(w, REGISTRATION_REGISTER);
	judge(w);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERED);
	assert_true(status(w)->is_registered);
	expect_nothing(w);
}

static void a_node_asks_registers_and_renews_at_half_of_the_lifetime(void **state)
{
	static const uint8_t algorithms[] = {REGISTRATION_BLAKE2B, REGISTRATION_ED25519};

	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct world *w = setup_identity(algorithms[i], "tv", false);
		int64_t start = w->now;

		expect_nothing(w);
		registered(w);
		assert_int_equal(w->last.lifetime_s, 300);
		assert_string_equal(w->last.device, "tv");
		assert_int_equal(w->last.place.port, 7);
		assert_true(w->last.sequence > WALL_US);
		assert_string_equal(status(w)->element_name, "fe2");
		assert_int_equal(victor_register_due(w->r), start + 150000);
		wait_until_due(w);
		expect(w, REGISTRATION_RENEW);
		judge(w);
		assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERED);
		assert_int_equal(victor_register_due(w->r), start + 300000);
		world_free(w);
	}
}

static void without_a_link_nothing_is_sent(void **state)
{
	struct world *w = world_make();
	struct victor_register_link without_mac = {.is_up = true};

	assert_int_equal(victor_register_due(w->r), VICTOR_REGISTER_NEVER);
	victor_register_link(w->r, &without_mac, w->now);
	assert_int_equal(victor_register_due(w->r), VICTOR_REGISTER_NEVER);
	expect_nothing(w);
	world_free(w);
}

static void unanswered_questions_come_ever_more_rarely(void **state)
{
	struct world *w = world_make();
	int64_t before = w->now;
	uint64_t nonce = 0;

	victor_register_link(w->r, &cable, w->now);
	for (unsigned i = 0; i < 20; i++) {
		int64_t least = i ? 200ll << (i - 1) : 0, most;

		if (least > 5000)
			least = 5000;
		most = least + least / 4;
		least -= least / 4;
		wait_until_due(w);
		assert_in_range(w->now - before, least, most);
		before = w->now;
		expect(w, REGISTRATION_SOLICIT);
		assert_true(!nonce || nonce == w->last.sequence);
		nonce = w->last.sequence;
		expect_nothing(w);
	}
	assert_int_equal(status(w)->unanswered, 20);
	world_free(w);
}

static void an_advertisement_that_was_not_asked_for_is_not_believed(void **state)
{
	struct world *w = world_make();
	struct sign_key anothers;
	struct registration m;

	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	m = answer(w, REGISTRATION_ADVERTISE);
	m.sequence++; /* an old one */
	deliver(w, &m, &w->controller);
	assert_int_equal(sign_key_generate(REGISTRATION_BLAKE2B, &anothers), 0);
	m.sequence--;
	deliver(w, &m, &anothers);
	strcpy(m.node, "vm2");
	deliver(w, &m, &w->controller);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_SOLICITING);
	assert_int_equal(status(w)->ignored, 3);
	expect_nothing(w);
	advertise(w);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERING);
	world_free(w);
}

static void an_unsolicited_advertisement_makes_it_ask_once_a_second(void **state)
{
	struct world *w = world_make();

	registered(w);
	w->at = fe3;
	push(w);
	expect(w, REGISTRATION_SOLICIT);
	assert_true(status(w)->is_registered);
	advertise(w);
	expect(w, REGISTRATION_REGISTER);
	assert_true(registration_place_equal(&w->last.place, &fe3));
	push(w); /* while that is under way: nothing */
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERING);
	judge(w);
	for (unsigned i = 0; i < 100; i++)
		push(w); /* again and again: in a second */
	expect_nothing(w);
	wait_until_due(w);
	assert_int_equal(w->now, 2000);
	expect(w, REGISTRATION_SOLICIT);
	world_free(w);
}

/* What an unsolicited ADVERTISE says may be old: the place comes from the answer to the question.
 */
static void a_repeated_advertisement_does_not_move_it(void **state)
{
	struct world *w = world_make();
	struct registration m;

	registered(w);
	m = answer(w, REGISTRATION_ADVERTISE);
	m.is_unsolicited = true;
	m.sequence = 0;
	m.place = fe3;
	deliver(w, &m, &w->controller);
	expect(w, REGISTRATION_SOLICIT);
	assert_int_equal(status(w)->port, 7);
	advertise(w);
	expect(w, REGISTRATION_REGISTER);
	assert_true(registration_place_equal(&w->last.place, &fe2));
	world_free(w);
}

/* Nobody answered for long; now somebody who has the key is there. */
static void a_push_cuts_the_waiting_short(void **state)
{
	struct world *w = world_make();
	uint64_t nonce;

	victor_register_link(w->r, &cable, w->now);
	for (unsigned i = 0; i < 10; i++) {
		wait_until_due(w);
		expect(w, REGISTRATION_SOLICIT);
	}
	nonce = w->last.sequence;
	assert_true(victor_register_due(w->r) > w->now + 3000);
	w->now += 10;
	push(w);
	expect(w, REGISTRATION_SOLICIT);
	assert_true(w->last.sequence == nonce); /* so an answer that is under way counts too */
	advertise(w);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERING);
	world_free(w);
}

static void a_change_of_the_link_registers_at_once(void **state)
{
	struct world *w = world_make();
	struct victor_register_link link = cable, down = cable;

	registered(w);
	victor_register_link(w->r, &link, w->now);
	expect_nothing(w); /* the same as before */
	link.address_count = 2;
	link.addresses[0][15] = 9;
	link.addresses[0][0] = 0x20;
	link.addresses[1][0] = 0x20;
	link.addresses[1][15] = 8;
	victor_register_link(w->r, &link, w->now);
	expect(w, REGISTRATION_SOLICIT);
	advertise(w);
	expect(w, REGISTRATION_REGISTER);
	assert_int_equal(w->last.address_count, 2);
	assert_int_equal(w->last.addresses[0].bytes[15], 8);
	judge(w);
	down.is_up = false;
	victor_register_link(w->r, &down, w->now);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_IDLE);
	assert_false(status(w)->is_registered);
	assert_int_equal(victor_register_due(w->r), VICTOR_REGISTER_NEVER);
	victor_register_link(w->r, &link, w->now);
	expect(w, REGISTRATION_SOLICIT);
	victor_register_again(w->r, w->now);
	expect(w, REGISTRATION_SOLICIT);
	world_free(w);
}

static void after_a_controllers_restart_it_signs_again(void **state)
{
	struct world *w = world_make();

	registered(w);
	w->epoch++;
	w->window = (struct registration_window){0};
	wait_until_due(w);
	expect(w, REGISTRATION_RENEW);
	judge(w);
	assert_int_equal(status(w)->reason, REGISTRATION_REASON_STALE_EPOCH);
	expect(w, REGISTRATION_REGISTER);
	assert_true(w->last.epoch == EPOCH + 1);
	judge(w);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERED);
	world_free(w);
}

static void a_clock_that_was_set_back_costs_one_exchange(void **state)
{
	struct world *w = world_make();

	w->window.sequence = WALL_US * 2;
	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	advertise(w);
	expect(w, REGISTRATION_REGISTER);
	judge(w);
	assert_int_equal(status(w)->reason, REGISTRATION_REASON_STALE_SEQUENCE);
	expect(w, REGISTRATION_REGISTER);
	assert_true(w->last.sequence == WALL_US * 2 + 1);
	judge(w);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERED);
	world_free(w);
}

static void a_sequence_that_has_no_next_is_said_again(void **state)
{
	struct world *w = world_make();

	w->window.sequence = UINT64_MAX;
	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	advertise(w);
	expect(w, REGISTRATION_REGISTER);
	judge(w);
	expect(w, REGISTRATION_REGISTER);
	assert_true(w->last.sequence == UINT64_MAX);
	judge(w);
	assert_int_equal(status(w)->reason, REGISTRATION_REASON_STALE_SEQUENCE);
	world_free(w);
}

static void one_that_moved_unnoticed_is_told_by_its_renewal(void **state)
{
	struct world *w = world_make();

	registered(w);
	w->at = fe3;
	wait_until_due(w);
	expect(w, REGISTRATION_RENEW);
	judge(w);
	assert_int_equal(status(w)->reason, REGISTRATION_REASON_ELSEWHERE);
	expect(w, REGISTRATION_REGISTER);
	assert_true(registration_place_equal(&w->last.place, &fe3));
	judge(w);
	assert_int_equal(status(w)->vlan, 100);
	world_free(w);
}

static void challenges_without_end_are_answered_ever_more_rarely(void **state)
{
	struct world *w = world_make();
	unsigned count = 0;

	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	advertise(w);
	while (w->now < 61000) {
		expect(w, REGISTRATION_REGISTER);
		reply(w, REGISTRATION_CHALLENGE, REGISTRATION_REASON_STALE_EPOCH);
		wait_until_due(w);
		count++;
	}
	assert_in_range(count, 10, 30);
	world_free(w);
}

static void an_answer_to_any_message_that_is_out_counts_and_an_older_one_does_not(void **state)
{
	struct world *w = world_make();
	struct registration old, first;

	registered(w);
	old = answer(w, REGISTRATION_REPLY);
	old.result = REGISTRATION_DONE;
	old.lifetime_s = 300;
	wait_until_due(w);
	expect(w, REGISTRATION_RENEW);
	first = answer(w, REGISTRATION_REPLY);
	first.result = REGISTRATION_DONE;
	first.lifetime_s = 300;
	wait_until_due(w);
	expect(w, REGISTRATION_RENEW);
	assert_true(w->last.sequence == first.sequence + 1);
	deliver(w, &old, &w->controller);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_RENEWING);
	first.sequence += 2; /* not out yet */
	deliver(w, &first, &w->controller);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_RENEWING);
	first.sequence -= 2;
	deliver(w, &first, &w->controller);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERED);
	deliver(w, &first, &w->controller); /* twice */
	assert_int_equal(status(w)->ignored, 3);
	world_free(w);
}

static void a_registration_that_nobody_renews_ends_and_it_asks_before(void **state)
{
	struct world *w = world_make();
	bool has_asked = false;

	registered(w);
	while (status(w)->is_registered) {
		wait_until_due(w);
		assert_true(w->now <= 1000 + 300000);
		w->size = victor_register_send(w->r, w->now, w->bytes);
		has_asked = status(w)->state == VICTOR_REGISTER_SOLICITING;
	}
	assert_true(has_asked);
	assert_int_equal(w->now, 1000 + 300000);
	world_free(w);
}

static void a_refusal_is_told_and_tried_again_rarely(void **state)
{
	struct world *w = world_make();
	unsigned count = 0;

	victor_register_link(w->r, &cable, w->now);
	while (w->now < 600000) {
		expect(w, REGISTRATION_SOLICIT);
		advertise(w);
		expect(w, REGISTRATION_REGISTER);
		reply(w, REGISTRATION_REFUSED, REGISTRATION_REASON_NOT_ALLOWED_HERE);
		assert_int_equal(status(w)->state, VICTOR_REGISTER_REFUSED);
		assert_string_equal(status(w)->text, "the node may not attach here");
		assert_false(status(w)->is_registered);
		expect_nothing(w);
		wait_until_due(w);
		count++;
	}
	assert_in_range(count, 10, 25);
	world_free(w);
}

static void an_unsigned_refusal_changes_only_what_a_person_reads(void **state)
{
	struct world *w = world_make();
	struct registration m = {.kind = REGISTRATION_REPLY,
				 .node = "vm1",
				 .result = REGISTRATION_REFUSED,
				 .reason = REGISTRATION_REASON_UNKNOWN_NODE};
	struct buffer b = {0};

	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	m.sequence = w->last.sequence + 1; /* answers nothing */
	assert_int_equal(registration_encode(&b, &m), 0);
	victor_register_receive(w->r, b.data, b.size, w->now);
	assert_string_equal(status(w)->hint, "");
	buffer_clear(&b);
	m.sequence--;
	assert_int_equal(registration_encode(&b, &m), 0);
	victor_register_receive(w->r, b.data, b.size, w->now);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_SOLICITING);
	assert_string_equal(status(w)->hint,
			    registration_reason_text(REGISTRATION_REASON_UNKNOWN_NODE));
	advertise(w);
	assert_string_equal(status(w)->hint, "");
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERING);
	buffer_finish(&b);
	world_free(w);
}

static void leaving_is_said_and_is_for_good(void **state)
{
	struct world *w = world_make();
	struct victor_register_link down = cable;

	registered(w);
	victor_register_leave(w->r, w->now);
	expect(w, REGISTRATION_DEREGISTER);
	assert_int_equal(w->last.lifetime_s, 0);
	w->epoch++; /* the controller was started meanwhile */
	judge(w);
	expect(w, REGISTRATION_DEREGISTER);
	assert_true(w->last.epoch == w->epoch);
	judge(w);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_IDLE);
	assert_false(status(w)->is_registered);
	down.is_up = false;
	victor_register_link(w->r, &down, w->now);
	victor_register_link(w->r, &cable, w->now);
	push(w);
	assert_int_equal(victor_register_due(w->r), VICTOR_REGISTER_NEVER);
	world_free(w);
}

static void leaving_does_not_wait_for_ever(void **state)
{
	struct world *w = world_make();
	unsigned count = 0;

	registered(w);
	victor_register_leave(w->r, w->now);
	while (status(w)->state == VICTOR_REGISTER_LEAVING) {
		wait_until_due(w);
		w->size = victor_register_send(w->r, w->now, w->bytes);
		count += w->size > 0;
	}
	assert_int_equal(count, 5);
	assert_true(w->now < 10000);
	world_free(w);
}

static void a_grant_goes_with_registrations_until_it_is_used(void **state)
{
	struct world *handset = setup_identity(REGISTRATION_BLAKE2B, "handset", true);
	struct world *tv = setup_identity(REGISTRATION_ED25519, "tv", false);
	struct registration_grant g;
	char text[VICTOR_REGISTER_GRANT_SIZE];

	assert_int_equal(victor_register_grant(handset->r, "tv", cable.mac, 60, handset->now, text),
			 -EAGAIN);
	victor_register_link(handset->r, &cable, handset->now);
	expect(handset, REGISTRATION_SOLICIT);
	advertise(handset);
	assert_int_equal(status(handset)->state, VICTOR_REGISTER_PLACED);
	expect_nothing(handset);
	assert_int_equal(victor_register_grant(handset->r, "handset", cable.mac, 60, 0, text),
			 -EINVAL);
	assert_int_equal(
		victor_register_grant(handset->r, "tv", cable.mac, 60, handset->now + 5000, text),
		0);

	registered(tv);
	assert_int_equal(tv->last.grant_size, 0);
	assert_int_equal(victor_register_use_grant(tv->r, "victor-grant:AAAA", tv->now), -EINVAL);
	assert_int_equal(victor_register_use_grant(handset->r, text, tv->now), -EINVAL);
	assert_int_equal(victor_register_use_grant(tv->r, text, tv->now), 0);
	expect(tv, REGISTRATION_SOLICIT);
	advertise(tv);
	expect(tv, REGISTRATION_REGISTER);
	assert_int_equal(registration_grant_decode(tv->last.grant, tv->last.grant_size, &g), 0);
	assert_true(sign_grant_check(&g, &handset->node));
	assert_string_equal(g.from_device, "handset");
	assert_int_equal(g.expires_s, 93 + 5 + 60);
	assert_true(g.serial > WALL_US);
	judge(tv);
	victor_register_again(tv->r, tv->now);
	expect(tv, REGISTRATION_SOLICIT);
	advertise(tv);
	expect(tv, REGISTRATION_REGISTER);
	assert_int_equal(tv->last.grant_size, 0);
	world_free(handset);
	world_free(tv);
}

static void a_grant_that_is_no_good_is_not_shown_again(void **state)
{
	struct world *handset = setup_identity(REGISTRATION_BLAKE2B, "handset", true);
	struct world *tv = setup_identity(REGISTRATION_ED25519, "tv", false);
	char text[VICTOR_REGISTER_GRANT_SIZE];

	victor_register_link(handset->r, &cable, handset->now);
	expect(handset, REGISTRATION_SOLICIT);
	advertise(handset);
	assert_int_equal(victor_register_grant(handset->r, "tv", cable.mac, 60, handset->now, text),
			 0);
	registered(tv);
	assert_int_equal(victor_register_use_grant(tv->r, text, tv->now), 0);
	expect(tv, REGISTRATION_SOLICIT);
	advertise(tv);
	expect(tv, REGISTRATION_REGISTER);
	assert_true(tv->last.grant_size > 0);
	reply(tv, REGISTRATION_REFUSED, REGISTRATION_REASON_EXPIRED_GRANT);
	wait_until_due(tv);
	expect(tv, REGISTRATION_SOLICIT);
	advertise(tv);
	expect(tv, REGISTRATION_REGISTER);
	assert_int_equal(tv->last.grant_size, 0);
	world_free(handset);
	world_free(tv);
}

static void no_flipped_bit_of_an_answer_is_believed(void **state)
{
	struct world *w = setup_identity(REGISTRATION_ED25519, "tv", false);
	struct registration m;
	struct buffer b = {0};

	victor_register_link(w->r, &cable, w->now);
	expect(w, REGISTRATION_SOLICIT);
	m = answer(w, REGISTRATION_ADVERTISE);
	assert_int_equal(sign_message(&b, &m, &w->controller), 0);
	for (size_t bit = 0; bit < b.size * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		victor_register_receive(w->r, b.data, b.size, w->now);
		assert_int_equal(status(w)->state, VICTOR_REGISTER_SOLICITING);
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	victor_register_receive(w->r, b.data, b.size, w->now);
	assert_int_equal(status(w)->state, VICTOR_REGISTER_REGISTERING);
	buffer_finish(&b);
	world_free(w);
}

static int start(void **state)
{
	return sign_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_asks_registers_and_renews_at_half_of_the_lifetime),
		cmocka_unit_test(without_a_link_nothing_is_sent),
		cmocka_unit_test(unanswered_questions_come_ever_more_rarely),
		cmocka_unit_test(an_advertisement_that_was_not_asked_for_is_not_believed),
		cmocka_unit_test(an_unsolicited_advertisement_makes_it_ask_once_a_second),
		cmocka_unit_test(a_repeated_advertisement_does_not_move_it),
		cmocka_unit_test(a_push_cuts_the_waiting_short),
		cmocka_unit_test(a_change_of_the_link_registers_at_once),
		cmocka_unit_test(after_a_controllers_restart_it_signs_again),
		cmocka_unit_test(a_clock_that_was_set_back_costs_one_exchange),
		cmocka_unit_test(a_sequence_that_has_no_next_is_said_again),
		cmocka_unit_test(one_that_moved_unnoticed_is_told_by_its_renewal),
		cmocka_unit_test(challenges_without_end_are_answered_ever_more_rarely),
		cmocka_unit_test(
			an_answer_to_any_message_that_is_out_counts_and_an_older_one_does_not),
		cmocka_unit_test(a_registration_that_nobody_renews_ends_and_it_asks_before),
		cmocka_unit_test(a_refusal_is_told_and_tried_again_rarely),
		cmocka_unit_test(an_unsigned_refusal_changes_only_what_a_person_reads),
		cmocka_unit_test(leaving_is_said_and_is_for_good),
		cmocka_unit_test(leaving_does_not_wait_for_ever),
		cmocka_unit_test(a_grant_goes_with_registrations_until_it_is_used),
		cmocka_unit_test(a_grant_that_is_no_good_is_not_shown_again),
		cmocka_unit_test(no_flipped_bit_of_an_answer_is_believed),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
