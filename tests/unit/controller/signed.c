/* Signed registrations: what binds, what does not, who may take a node from whom, and when it is
 * over. */
#include "fake_element.h"
#include "main.h"

#include "packet/datagram.h"
#include "packet/ethernet.h"
#include "registration/sign.h"

#include <errno.h>
#include <stdio.h>

#define TV "52:54:00:00:00:77"
#define LIFETIME 60

/* A device, and what it has heard. */
struct client {
	const char *device, *mac;
	struct sign_key key, controller;
	struct registration_place place;
	uint64_t epoch, sequence;
	struct registration heard;
	bool is_signed;
	unsigned heard_count, pushed;
	uint32_t heard_at;
};

static struct client phone, tv, *listening[2];
static struct buffer last; /* the datagram that was said last */

static void on_answer(struct world *w, uint32_t fe, uint32_t port, const uint8_t *frame,
		      size_t size)
{
	struct reader rd = reader_make(frame, size);
	struct mac to, from;
	struct datagram d;
	uint16_t vlan;

	(void)ethernet_read(&rd, &to, &from, &vlan);
	assert_int_equal(datagram_parse(&rd, &d), 0);
	assert_int_equal(d.source_port, REGISTRATION_PORT);
	assert_true(rule_is_gateway_mac(&from, &w->config.gateway_mac));
	for (unsigned i = 0; i < ARRAY_SIZE(listening); i++) {
		struct client *c = listening[i];
		struct mac mac = a_mac(c->mac);

		if (!mac_equal(&mac, &to))
			continue;
		assert_int_equal(registration_decode(d.data, d.data_size, &c->heard), 0);
		c->is_signed = sign_message_check(&c->heard, &c->controller);
		c->heard_count++;
		c->heard_at = port;
		c->pushed += c->heard.is_unsolicited;
		if (c->is_signed)
			c->epoch = c->heard.epoch;
		if (c->is_signed && c->heard.kind == REGISTRATION_ADVERTISE &&
		    !c->heard.is_unsolicited)
			c->place = c->heard.place;
	}
}

static void send_datagram(struct world *w, const struct client *c, uint32_t fe, uint32_t port)
{
	struct datagram d = {.source = an_address(IP1),
			     .destination = an_address("10.10.0.1"),
			     .source_port = REGISTRATION_PORT,
			     .destination_port = REGISTRATION_PORT,
			     .ttl = 64,
			     .data = last.data,
			     .data_size = last.size};
	struct mac from = a_mac(c->mac);
	struct buffer frame = {0};

	ethernet_write(&frame, &w->config.gateway_mac, &from, 0, 0x0800);
	datagram_build(&frame, &d);
	fake_frame(w, fe, port, &frame);
	buffer_finish(&frame);
	world_run(w);
}

static struct registration message(struct client *c, uint8_t kind)
{
	struct registration r = {.kind = kind, .sequence = ++c->sequence};

	snprintf(r.node, sizeof(r.node), "vm1");
	snprintf(r.device, sizeof(r.device), "%s", c->device);
	if (kind == REGISTRATION_SOLICIT)
		return r;
	r.epoch = c->epoch;
	r.place = c->place;
	r.mac = a_mac(c->mac);
	if (kind != REGISTRATION_DEREGISTER)
		r.lifetime_s = LIFETIME;
	return r;
}

static void say_it(struct world *w, struct client *c, uint32_t fe, uint32_t port,
		   const struct registration *r)
{
	buffer_clear(&last);
	assert_int_equal(sign_message(&last, r, &c->key), 0);
	send_datagram(w, c, fe, port);
}

static void say(struct world *w, struct client *c, uint32_t fe, uint32_t port, uint8_t kind)
{
	struct registration r = message(c, kind);

	say_it(w, c, fe, port, &r);
}

/* It looks where it is, and registers there; the reason that it is told. */
static int registers(struct world *w, struct client *c, uint32_t fe, uint32_t port)
{
	say(w, c, fe, port, REGISTRATION_SOLICIT);
	say(w, c, fe, port, REGISTRATION_REGISTER);
	assert_int_equal(c->heard.kind, REGISTRATION_REPLY);
	assert_int_equal(c->heard.sequence, c->sequence);
	return c->heard.reason;
}

static void add_device(struct world *w, struct client *c, uint8_t algorithm)
{
	struct device d = {.node = "vm1", .mac = a_mac(c->mac)};
	struct reason why;

	assert_int_equal(sign_key_generate(algorithm, &c->key), 0);
	c->controller = algorithm == REGISTRATION_ED25519 ? w->config.registration_key : c->key;
	snprintf(d.name, sizeof(d.name), "%s", c->device);
	d.key = sign_key_other(&c->key);
	assert_int_equal(core_put_device(w->core, &d, w->now_ms, &why), 0);
}

static void restore_devices(struct world *w)
{
	for (unsigned i = 0; i < ARRAY_SIZE(listening); i++) {
		struct device d = {.node = "vm1", .mac = a_mac(listening[i]->mac)};
		struct reason why;

		snprintf(d.name, sizeof(d.name), "%s", listening[i]->device);
		d.key = sign_key_other(&listening[i]->key);
		assert_int_equal(core_put_device(w->core, &d, w->now_ms, &why), 0);
	}
}

static void restart(struct world *w, uint16_t term, bool store)
{
	w->config.registration_epoch++;
	world_restart(w, term, store);
	if (phone.key.algorithm)
		restore_devices(w);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 100);
	world_forget_log(w);
}

/* A prefix that demands signatures, or takes them ('demands' false); a phone and a TV of vm1. */
static struct world *create(bool demands, uint8_t algorithm)
{
	struct world *w = world_create();

	assert_int_equal(sign_start(), 0);
	memset(&phone, 0, sizeof(phone));
	memset(&tv, 0, sizeof(tv));
	phone.device = "phone";
	phone.mac = VM1;
	phone.sequence = 1000;
	tv.device = "tv";
	tv.mac = TV;
	tv.sequence = 2000;
	listening[0] = &phone;
	listening[1] = &tv;
	w->answered = on_answer;
	w->signs = demands;
	w->config.registration_epoch = 0x5c0f;
	assert_int_equal(sign_key_generate(REGISTRATION_ED25519, &w->config.registration_key), 0);
	restart(w, 2, false);
	add_device(w, &phone, algorithm);
	add_device(w, &tv, algorithm);
	return w;
}

static void destroy(struct world *w)
{
	buffer_finish(&last);
	world_destroy(w);
}

struct found {
	const char *why;
	uint64_t count;
};

static void add_found(void *to, const struct refusal *refusal)
{
	struct found *f = to;

	if (strcmp(refusal->why, f->why) == 0)
		f->count += refusal->count;
}

static uint64_t refused(struct world *w, const char *why)
{
	struct found f = {.why = why};

	core_refusals(w->core, add_found, &f);
	return f.count;
}

/* ---- what binds ---- */

static void a_signed_registration_binds_at_once(void **state)
{
	for (uint8_t algorithm = REGISTRATION_BLAKE2B; algorithm <= REGISTRATION_ED25519;
	     algorithm++) {
		struct world *w = create(true, algorithm);
		struct registration_view view;

		say(w, &phone, 2, 2, REGISTRATION_SOLICIT);
		assert_true(phone.is_signed);
		assert_int_equal(phone.heard.kind, REGISTRATION_ADVERTISE);
		assert_int_equal(phone.place.element, 2);
		assert_int_equal(phone.place.port, 2);
		assert_null(core_attachment(w->core, "vm1"));
		say(w, &phone, 2, 2, REGISTRATION_REGISTER);
		assert_true(phone.is_signed);
		assert_int_equal(phone.heard.result, REGISTRATION_DONE);
		assert_int_equal(phone.heard.lifetime_s, LIFETIME);
		assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
		assert_bound(w, IP1, 2, 2);
		assert_true(core_registration(w->core, "vm1", &view));
		assert_string_equal(view.device, "phone");
		assert_true(view.confirmed);
		destroy(w);
	}
}

static void unsigned_words_bind_nothing_and_the_device_is_told(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	fake_announces(w, 2, 2, VM1, IP1);
	fake_rarp(w, 2, 2, VM1);
	fake_data(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(refused(w, "not-signed"), 3);
	/* Once a second, however often it is heard. */
	assert_int_equal(phone.pushed, 1);
	assert_true(phone.is_signed);
	assert_int_equal(phone.heard.place.element, 2);
	world_wait(w, 1100);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_int_equal(phone.pushed, 2);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	/* Elsewhere it says nothing, nor here. */
	fake_announces(w, 3, 2, VM1, IP1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	destroy(w);
}

static void what_is_registered_is_not_moved_by_who_does_not_sign(void **state)
{
	struct world *w = create(false, REGISTRATION_BLAKE2B);

	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	world_wait(w, 2000);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	say(w, &phone, 2, 2, REGISTRATION_DEREGISTER);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	destroy(w);
}

static void a_move_needs_no_barrier_to_be_believed(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	w->holds_barriers = true;
	assert_int_equal(registers(w, &phone, 3, 2), REGISTRATION_REASON_NONE);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 0);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 2);
	destroy(w);
}

static void every_element_hears_them_and_knows_where_one_must_sign(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	for (uint32_t fe = 1; fe <= 3; fe++) {
		assert_non_null(fake_rule(w, fe, RULE_REGISTER, "10.10.0.1"));
		assert_non_null(fake_rule(w, fe, RULE_REGISTER, "fe80::ff:fe00:1"));
		assert_int_equal(fake_rule(w, fe, RULE_COVERED, "10.10.0.0")->cookie,
				 COVERED_SIGNED);
	}
	destroy(w);
}

/* ---- what does not ---- */

static void a_copy_is_worth_nothing(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);
	struct buffer copy = {0};

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	buffer_add_bytes(&copy, last.data, last.size);
	assert_int_equal(registers(w, &phone, 3, 2), REGISTRATION_REASON_NONE);
	/* Where it was recorded, elsewhere, and after a restart. */
	buffer_clear(&last);
	buffer_add_bytes(&last, copy.data, copy.size);
	send_datagram(w, &phone, 2, 2);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_STALE_SEQUENCE);
	assert_int_equal(phone.heard.result, REGISTRATION_CHALLENGE);
	assert_int_equal(phone.heard.highest, phone.sequence);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE);
	restart(w, 3, true);
	send_datagram(w, &phone, 2, 2);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_STALE_EPOCH);
	assert_int_equal(core_attachment(w->core, "vm1")->place.fe, 3);
	assert_int_equal(refused(w, "registration-epoch"), 1);
	buffer_finish(&copy);
	destroy(w);
}

static void a_copy_that_is_carried_elsewhere_is_refused(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	say(w, &phone, 2, 2, REGISTRATION_SOLICIT);
	say(w, &phone, 3, 3, REGISTRATION_REGISTER);
	assert_int_equal(phone.heard.result, REGISTRATION_CHALLENGE);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_ELSEWHERE);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(refused(w, "registration-elsewhere"), 1);
	destroy(w);
}

static void any_bit_that_flips_is_refused(void **state)
{
	struct world *w = create(true, REGISTRATION_ED25519);
	struct registration r;
	uint64_t good = 0;

	say(w, &phone, 2, 2, REGISTRATION_SOLICIT);
	r = message(&phone, REGISTRATION_REGISTER);
	buffer_clear(&last);
	assert_int_equal(sign_message(&last, &r, &phone.key), 0);
	for (size_t bit = 0; bit < last.size * 8; bit++) {
		last.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		send_datagram(w, &phone, 2, 2);
		last.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (bit % 40 == 0)
			world_wait(w, 1000); /* it is listened to again */
		good += core_attachment(w->core, "vm1") != NULL;
		w->event_count = 0;
	}
	assert_int_equal(good, 0);
	assert_true(refused(w, "registration-signature") > 100);
	assert_true(refused(w, "registration-malformed") > 100);
	send_datagram(w, &phone, 2, 2);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	destroy(w);
}

static void keys_macs_addresses_and_places_are_checked(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);
	struct node_spec n = world_node(w, "vm1");
	struct registration r;
	struct client thief = phone;
	struct reason why;

	assert_int_equal(sign_key_generate(REGISTRATION_BLAKE2B, &thief.key), 0);
	say(w, &thief, 2, 2, REGISTRATION_SOLICIT);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_BAD_SIGNATURE);
	assert_int_equal(phone.heard.algorithm, REGISTRATION_UNSIGNED);
	say(w, &phone, 2, 2, REGISTRATION_SOLICIT);
	r = message(&phone, REGISTRATION_REGISTER);
	r.mac = a_mac(TV);
	say_it(w, &phone, 2, 2, &r);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_WRONG_MAC);
	r = message(&phone, REGISTRATION_REGISTER);
	r.address_count = 1;
	r.addresses[0] = an_address("10.10.0.12");
	say_it(w, &phone, 2, 2, &r);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_WRONG_ADDRESS);
	n.element_count = 1;
	strcpy(n.elements[0], "FE3");
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NOT_ALLOWED_HERE);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(registers(w, &phone, 3, 2), REGISTRATION_REASON_NONE);
	destroy(w);
}

static void a_flood_of_bad_signatures_is_not_listened_to(void **state)
{
	struct world *w = create(true, REGISTRATION_ED25519);
	struct client thief = phone;
	unsigned before;

	assert_int_equal(sign_key_generate(REGISTRATION_ED25519, &thief.key), 0);
	for (unsigned i = 0; i < 500; i++)
		say(w, &thief, 2, 2, REGISTRATION_SOLICIT);
	assert_int_equal(refused(w, "registration-signature"), 50);
	assert_int_equal(phone.heard_count, 50);
	/* Others are heard meanwhile, and so is it a second later. */
	before = phone.heard_count;
	assert_int_equal(registers(w, &phone, 3, 2), REGISTRATION_REASON_NONE);
	assert_int_equal(phone.heard_count, before + 2);
	world_wait(w, 1100);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	destroy(w);
}

/* ---- the end ---- */

static void a_lifetime_ends_unless_it_is_renewed(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	world_wait(w, (LIFETIME - 10) * 1000);
	say(w, &phone, 2, 2, REGISTRATION_RENEW);
	assert_int_equal(phone.heard.result, REGISTRATION_DONE);
	world_wait(w, (LIFETIME - 2) * 1000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	world_wait(w, 4000);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	assert_non_null(strstr(world_last_event(w, EVENT_DETACHED)->text, "lifetime is over"));
	assert_string_equal(w->registered.node, "");
	say(w, &phone, 2, 2, REGISTRATION_RENEW);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_NOT_REGISTERED);
	assert_null(core_attachment(w->core, "vm1"));
	destroy(w);
}

static void a_renewal_moves_nothing(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	say(w, &phone, 3, 2, REGISTRATION_SOLICIT);
	say(w, &phone, 3, 2, REGISTRATION_RENEW);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_NOT_REGISTERED);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	destroy(w);
}

static void who_deregisters_is_gone_at_once(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	say(w, &tv, 3, 2, REGISTRATION_SOLICIT);
	say(w, &tv, 3, 2, REGISTRATION_DEREGISTER);
	assert_int_equal(tv.heard.reason, REGISTRATION_REASON_HELD_BY_DEVICE);
	say(w, &phone, 2, 2, REGISTRATION_DEREGISTER);
	assert_int_equal(phone.heard.result, REGISTRATION_DONE);
	assert_bound(w, IP1, 0, 0);
	assert_non_null(strstr(world_last_event(w, EVENT_DETACHED)->text, "it deregistered"));
	destroy(w);
}

/* ---- from one device to another ---- */

static void take_grant(struct world *w, const struct client *from, const struct client *to,
		       uint64_t serial, struct buffer *ret)
{
	struct registration_grant g = {.epoch = from->epoch,
				       .serial = serial,
				       .expires_s = from->heard.now_s + 30,
				       .to_mac = a_mac(to->mac),
				       .node = "vm1"};

	snprintf(g.from_device, sizeof(g.from_device), "%s", from->device);
	snprintf(g.to_device, sizeof(g.to_device), "%s", to->device);
	buffer_clear(ret);
	assert_int_equal(sign_grant(ret, &g, &from->key), 0);
}

static int registers_with(struct world *w, struct client *c, uint32_t fe, uint32_t port,
			  const struct buffer *grant)
{
	struct registration r;

	say(w, c, fe, port, REGISTRATION_SOLICIT);
	r = message(c, REGISTRATION_REGISTER);
	r.grant = grant->data;
	r.grant_size = grant->size;
	say_it(w, c, fe, port, &r);
	return c->heard.reason;
}

static void a_device_hands_its_node_to_another(void **state)
{
	struct world *w = create(true, REGISTRATION_ED25519);
	struct buffer grant = {0};
	struct mac mac = a_mac(TV);

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	assert_int_equal(registers(w, &tv, 3, 3), REGISTRATION_REASON_HELD_BY_DEVICE);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	take_grant(w, &phone, &tv, 1, &grant);
	assert_int_equal(registers_with(w, &tv, 3, 3, &grant), REGISTRATION_REASON_NONE);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	assert_true(mac_equal(&fake_rule(w, 3, RULE_LOCAL, IP1)->mac, &mac));
	assert_string_equal(w->registered.device, "tv");
	/* The phone has it no more, and the grant is spent. */
	say(w, &phone, 2, 2, REGISTRATION_RENEW);
	assert_int_equal(phone.heard.result, REGISTRATION_CHALLENGE);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_HELD_BY_DEVICE);
	take_grant(w, &tv, &phone, 1, &grant);
	assert_int_equal(registers_with(w, &phone, 2, 2, &grant), REGISTRATION_REASON_NONE);
	take_grant(w, &phone, &tv, 1, &grant);
	assert_int_equal(registers_with(w, &tv, 3, 3, &grant), REGISTRATION_REASON_SPENT_GRANT);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	buffer_finish(&grant);
	destroy(w);
}

static void both_keys_must_agree(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);
	struct client thief = phone;
	struct buffer grant = {0};

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	thief = phone;
	assert_int_equal(sign_key_generate(REGISTRATION_BLAKE2B, &thief.key), 0);
	take_grant(w, &thief, &tv, 1, &grant);
	assert_int_equal(registers_with(w, &tv, 3, 3, &grant), REGISTRATION_REASON_BAD_GRANT);
	thief = tv;
	thief.mac = "52:54:00:00:00:99"; /* for another */
	take_grant(w, &phone, &thief, 1, &grant);
	assert_int_equal(registers_with(w, &tv, 3, 3, &grant), REGISTRATION_REASON_BAD_GRANT);
	take_grant(w, &phone, &tv, 1, &grant);
	world_wait(w, 40000);
	say(w, &phone, 2, 2, REGISTRATION_RENEW);
	assert_int_equal(registers_with(w, &tv, 3, 3, &grant), REGISTRATION_REASON_EXPIRED_GRANT);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	buffer_finish(&grant);
	destroy(w);
}

static void a_restart_forgets_no_device_and_asks_it_at_once(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);
	struct registration_view view;

	fake_port(w, 2, 2)->answers = a_mac(VM1);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	phone.pushed = 0;
	restart(w, 3, true);
	world_wait(w, 6000);
	/* It answered a probe, unsigned: it is still there, and told that the epoch is another. */
	assert_int_equal(core_attachment(w->core, "vm1")->place.fe, 2);
	assert_true(phone.pushed > 0);
	assert_true(core_registration(w->core, "vm1", &view));
	assert_string_equal(view.device, "phone");
	assert_false(view.confirmed);
	assert_int_equal(registers(w, &tv, 3, 3), REGISTRATION_REASON_HELD_BY_DEVICE);
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	assert_true(core_registration(w->core, "vm1", &view));
	assert_true(view.confirmed);
	world_wait(w, (LIFETIME + 2) * 1000);
	assert_null(core_attachment(w->core, "vm1"));
	destroy(w);
}

static void a_lost_store_leaves_nobody_bound_for_ever(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);

	w->config.registration_lifetime_s = 120;
	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	restart(w, 3, false);
	world_wait(w, 6000);
	assert_int_equal(core_attachment(w->core, "vm1")->place.fe, 2);
	world_wait(w, 122000);
	assert_null(core_attachment(w->core, "vm1"));
	destroy(w);
}

static void a_device_that_is_removed_has_nothing(void **state)
{
	struct world *w = create(true, REGISTRATION_BLAKE2B);
	struct reason why;

	assert_int_equal(registers(w, &phone, 2, 2), REGISTRATION_REASON_NONE);
	assert_int_equal(core_remove_device(w->core, "vm1", "phone", w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	say(w, &phone, 2, 2, REGISTRATION_RENEW);
	assert_int_equal(phone.heard.reason, REGISTRATION_REASON_UNKNOWN_NODE);
	assert_int_equal(core_remove_device(w->core, "vm1", "phone", w->now_ms, &why), -ENOENT);
	destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_registration_binds_at_once),
		cmocka_unit_test(unsigned_words_bind_nothing_and_the_device_is_told),
		cmocka_unit_test(what_is_registered_is_not_moved_by_who_does_not_sign),
		cmocka_unit_test(a_move_needs_no_barrier_to_be_believed),
		cmocka_unit_test(every_element_hears_them_and_knows_where_one_must_sign),
		cmocka_unit_test(a_copy_is_worth_nothing),
		cmocka_unit_test(a_copy_that_is_carried_elsewhere_is_refused),
		cmocka_unit_test(any_bit_that_flips_is_refused),
		cmocka_unit_test(keys_macs_addresses_and_places_are_checked),
		cmocka_unit_test(a_flood_of_bad_signatures_is_not_listened_to),
		cmocka_unit_test(a_lifetime_ends_unless_it_is_renewed),
		cmocka_unit_test(a_renewal_moves_nothing),
		cmocka_unit_test(who_deregisters_is_gone_at_once),
		cmocka_unit_test(a_device_hands_its_node_to_another),
		cmocka_unit_test(both_keys_must_agree),
		cmocka_unit_test(a_restart_forgets_no_device_and_asks_it_at_once),
		cmocka_unit_test(a_lost_store_leaves_nobody_bound_for_ever),
		cmocka_unit_test(a_device_that_is_removed_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
