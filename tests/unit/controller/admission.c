/* What a claim proves, and to whom an address belongs: shared and attested ports, first-come,
 * places that a node is kept to. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>
#include <stdio.h>

#define VM2 "52:54:00:00:00:12"
#define THIEF "52:54:00:00:00:99"

struct found {
	const char *why;
	uint64_t count;
};

static void count_refusal(void *to, const struct refusal *r)
{
	struct found *f = to;

	if (strcmp(r->why, f->why) == 0)
		f->count += r->count;
}

static uint64_t refused(struct world *w, const char *why)
{
	struct found f = {.why = why};

	core_refusals(w->core, count_refusal, &f);
	return f.count;
}

static void count_alarm(void *to, const struct alarm *a)
{
	++*(unsigned *)to;
}

static unsigned alarms(struct world *w)
{
	unsigned count = 0;

	core_alarms(w->core, count_alarm, &count);
	return count;
}

static void connect_all(struct world *w)
{
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 100);
	w->event_count = 0;
	world_forget_log(w);
}

/* As the daemon is by default: claims on shared ports are asked about. */
static struct world *strict_world(enum admission_mode mode)
{
	struct world *w = world_create_bare(mode);

	w->config.shared_ports = SHARED_PORTS_ASK;
	world_restart(w, 2, false);
	connect_all(w);
	return w;
}

static struct world *vm1_at(uint32_t fe, uint32_t port)
{
	struct world *w = strict_world(ADMISSION_STRICT);

	fake_port(w, fe, port)->answers = a_mac(VM1);
	fake_announces(w, fe, port, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	assert_at(w, "vm1", fe, port, ATTACHMENT_ACTIVE);
	w->event_count = 0;
	return w;
}

static void attest(struct world *w, uint32_t fe, uint32_t port, const char *identity)
{
	fake_port(w, fe, port)->identity = identity;
	fake_port_up(w, fe, port, true);
	world_run(w);
	w->event_count = 0;
}

static void a_copied_mac_and_address_on_another_shared_port_bind_nothing(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_port(w, 3, 3)->answers = a_mac(VM1); /* the copy answers, too */
	for (unsigned i = 0; i < 3; i++) {
		fake_announces(w, 3, 3, VM1, IP1);
		world_run(w);
		assert_bound(w, IP1, 2, 2);
		world_wait(w, 1000);
		assert_bound(w, IP1, 2, 2);
	}
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(refused(w, "answers-elsewhere"), 3);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 0);
	world_destroy(w);
}

static void a_forger_who_does_not_even_answer_gets_nothing(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(refused(w, "answers-elsewhere"), 1);
	world_destroy(w);
}

static void a_node_that_left_its_shared_port_moves_when_that_is_silent(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_port(w, 2, 2)->answers = (struct mac){{0}};
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 2, 2);
	world_wait(w, 250);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 0);
	world_destroy(w);
}

static void when_the_old_port_is_down_nobody_has_to_be_asked(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_port_up(w, 2, 2, false);
	world_run(w);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void a_node_that_moves_on_while_it_is_asked_about_is_followed(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 20);
	fake_port(w, 2, 2)->answers = fake_port(w, 3, 3)->answers = (struct mac){{0}};
	fake_port(w, 1, 2)->answers = a_mac(VM1);
	for (unsigned i = 0; i < 10; i++) { /* each packet claims */
		fake_announces(w, 1, 2, VM1, IP1);
		world_run(w);
	}
	world_wait(w, 400);
	assert_at(w, "vm1", 1, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(alarms(w), 0);
	world_destroy(w);
}

static void who_claims_while_a_move_is_prepared_is_asked_when_it_came_to_nothing(void **state)
{
	struct world *w = vm1_at(2, 2);
	struct reason why;

	assert_int_equal(core_prepare_move(w->core, "vm1", "FE3", "port3", 0, w->now_ms, &why), 0);
	fake_port(w, 2, 2)->answers = (struct mac){{0}};
	fake_port(w, 1, 2)->answers = a_mac(VM1);
	for (unsigned i = 0; i < 10; i++) {
		fake_announces(w, 1, 2, VM1, IP1);
		world_run(w);
	}
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PREPARED); /* nobody stops it so */
	assert_int_equal(core_revert_move(w->core, "vm1", w->now_ms, &why), 0);
	world_wait(w, 400);
	assert_at(w, "vm1", 1, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(alarms(w), 0);
	world_destroy(w);
}

static void an_element_without_a_session_is_no_silent_port(void **state)
{
	struct world *w = vm1_at(2, 2);

	world_disconnect(w, fake_of(w, 2));
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 3000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	world_wait(w, 9000); /* but it does not come back */
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void an_attested_port_is_believed_at_once(void **state)
{
	struct world *w = vm1_at(2, 2);

	attest(w, 3, 3, "vm1");
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 3); /* though the old place answers */
	world_destroy(w);
}

static void a_label_attests_a_port_for_all_nodes_that_have_it(void **state)
{
	struct world *w = strict_world(ADMISSION_STRICT);
	struct node_spec n = world_node(w, "vm1");
	struct reason why;

	assert_int_equal(words_add(&n.labels, WORDS_LABELS, "tenant=red"), 0);
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	attest(w, 2, 2, "tenant=red");
	attest(w, 3, 3, "tenant=blue");
	fake_announces(w, 3, 3, VM1, IP1);
	fake_announces(w, 2, 2, VM2, "10.10.0.12");
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_bound(w, "10.10.0.12", 0, 0);
	assert_int_equal(refused(w, "another-nodes-port"), 2);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void a_shared_port_does_not_outweigh_an_attested_one(void **state)
{
	struct world *w = vm1_at(2, 2);

	attest(w, 2, 2, "vm1");
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(refused(w, "proven-elsewhere"), 1);
	world_destroy(w);
}

/* The owner's own claim is old by P4a, and both answer: proof decides. */
static void of_two_who_answer_the_one_who_proves_more_has_it(void **state)
{
	struct world *w = vm1_at(2, 2);

	attest(w, 3, 3, "vm1");
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_replay(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void two_machines_with_one_address_are_damped_and_an_alarm_says_so(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	for (unsigned i = 0; i < 5; i++) {
		fake_announces(w, 3, 3, VM1, IP1);
		world_run(w);
		world_wait(w, 2000);
	}
	assert_int_equal(alarms(w), 1);
	assert_int_equal(world_count_events(w, EVENT_ALARM), 1);
	assert_int_equal(refused(w, "damped"), 1);

	/* Not heard, though the owner is silent now ... */
	fake_port(w, 2, 2)->answers = (struct mac){{0}};
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(refused(w, "damped"), 2);

	/* ... until the window is over, by itself. */
	world_wait(w, 180000);
	assert_int_equal(alarms(w), 0);
	assert_int_equal(world_count_events(w, EVENT_ALARM_OVER), 1);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 300);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void how_many_claims_in_what_time_is_flapping_can_be_told(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	w->config.shared_ports = SHARED_PORTS_ASK;
	w->config.flapping_claims = 2;
	w->config.flapping_window_ms = 10000;
	world_restart(w, 2, false);
	connect_all(w);
	fake_port(w, 2, 2)->answers = fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	for (unsigned i = 0; i < 2; i++) {
		fake_announces(w, 3, 3, VM1, IP1);
		world_run(w);
		world_wait(w, 2000);
	}
	assert_int_equal(alarms(w), 1);
	world_wait(w, 12000);
	assert_int_equal(alarms(w), 0);
	world_destroy(w);
}

static void a_damped_node_goes_where_its_port_is_attested(void **state)
{
	struct world *w = vm1_at(2, 2);

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	for (unsigned i = 0; i < 5; i++) {
		fake_announces(w, 3, 3, VM1, IP1);
		world_run(w);
		world_wait(w, 2000);
	}
	assert_int_equal(alarms(w), 1);
	attest(w, 1, 2, "vm1");
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 1, 2);
	world_destroy(w);
}

/* Node i is at FE 1 + (moves so far) % 3, and nowhere else. */
static unsigned moves_of[20];

static bool is_there(struct world *w, uint32_t fe, uint32_t port, const struct mac *mac)
{
	return mac->bytes[4] == 1 && fe == 1 + moves_of[mac->bytes[5]] % 3 && port == 2;
}

/* Twenty nodes on shared ports, each moving every 1.2 seconds. */
static void a_thousand_honest_moves_in_a_minute_damp_nothing(void **state)
{
	struct world *w = strict_world(ADMISSION_STRICT);
	char mac[24], address[24], id[16];
	unsigned moved = 0;

	memset(moves_of, 0, sizeof(moves_of));
	w->answers = is_there;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "n%u", i);
		snprintf(mac, sizeof(mac), "52:54:00:00:01:%02x", i);
		snprintf(address, sizeof(address), "10.10.1.%u", i);
		world_add_node(w, id, mac, address);
	}
	for (unsigned move = 0; move < 1000; move++) {
		unsigned node = move % 20, to = 1 + ++moves_of[node] % 3;

		w->event_count = w->log_count = 0;
		snprintf(mac, sizeof(mac), "52:54:00:00:01:%02x", node);
		snprintf(address, sizeof(address), "10.10.1.%u", node);
		fake_announces(w, to, 2, mac, address);
		world_run(w);
		world_wait(w, 60);
		moved += world_count_events(w, EVENT_MOVED) + world_count_events(w, EVENT_ATTACHED);
	}
	w->log_count = w->event_count = 0;
	world_wait(w, 500);
	assert_in_range(moved, 990, 1000); /* the last are on their way still */
	assert_int_equal(alarms(w), 0);
	assert_int_equal(refused(w, "damped") + refused(w, "answers-elsewhere"), 0);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(address, sizeof(address), "10.10.1.%u", i);
		assert_bound(w, address, 1 + moves_of[i] % 3, 2);
	}
	world_destroy(w);
}

static void a_thousand_moves_of_one_node_between_its_own_ports_damp_nothing(void **state)
{
	struct world *w = strict_world(ADMISSION_STRICT);

	for (uint32_t fe = 1; fe <= 3; fe++)
		attest(w, fe, 2, "vm1");
	for (unsigned move = 0; move < 1000; move++) {
		uint32_t to = 1 + move % 3;

		w->event_count = w->log_count = 0;
		for (uint32_t fe = 1; fe <= 3; fe++)
			fake_port(w, fe, 2)->answers = fe == to ? a_mac(VM1) : (struct mac){{0}};
		fake_announces(w, to, 2, VM1, IP1);
		world_run(w);
		assert_bound(w, IP1, to, 2);
		world_wait(w, 60);
	}
	assert_int_equal(alarms(w), 0);
	world_destroy(w);
}

/* --- first come ------------------------------------------------------------------------------ */

static void an_address_belongs_to_whoever_claims_it_first(void **state)
{
	struct world *w = strict_world(ADMISSION_FIRST_COME);
	char id[NAME_SIZE];
	struct reason why;

	fake_port(w, 2, 2)->answers = a_mac("52:54:00:00:00:77");
	fake_announces(w, 2, 2, "52:54:00:00:00:77", "10.10.7.7");
	world_run(w);
	assert_bound(w, "10.10.7.7", 2, 2);
	assert_int_equal(w->claimed_count, 1);
	fake_announces(w, 3, 3, THIEF, "10.10.7.7");
	world_run(w);
	assert_bound(w, "10.10.7.7", 2, 2);
	assert_int_equal(refused(w, "claimed"), 1);

	/* It stays its own while it is away, and after a restart. */
	assert_int_equal(core_detach_node(w->core, "10.10.7.7", w->now_ms, &why), 0);
	fake_announces(w, 3, 3, THIEF, "10.10.7.7");
	world_run(w);
	assert_bound(w, "10.10.7.7", 0, 0);
	world_restart(w, 3, true);
	connect_all(w);
	fake_announces(w, 3, 3, THIEF, "10.10.7.7");
	world_run(w);
	assert_bound(w, "10.10.7.7", 0, 0);

	assert_int_equal(core_release(w->core, "10.10.7.7", w->now_ms, id, &why), 0);
	assert_int_equal(w->claimed_count, 0);
	fake_announces(w, 3, 3, THIEF, "10.10.7.7");
	world_run(w);
	assert_bound(w, "10.10.7.7", 3, 3);
	world_destroy(w);
}

static void what_an_operator_declared_cannot_be_claimed_or_released(void **state)
{
	struct world *w = strict_world(ADMISSION_FIRST_COME);
	char id[NAME_SIZE];
	struct reason why;

	fake_announces(w, 3, 3, THIEF, IP1);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(refused(w, "wrong-mac"), 1);
	assert_int_equal(core_release(w->core, IP1, w->now_ms, id, &why), -EEXIST);
	assert_non_null(strstr(why.text, "vm1"));
	assert_int_equal(core_release(w->core, "10.10.9.9", w->now_ms, id, &why), -ENOENT);
	/* A node's name is no address of its own. */
	world_add_node(w, "10.10.9.9", "52:54:00:00:00:55", "10.10.9.8");
	fake_announces(w, 3, 3, THIEF, "10.10.9.9");
	world_run(w);
	assert_bound(w, "10.10.9.9", 0, 0);
	assert_int_equal(inventory_node(core_inventory(w->core), "10.10.9.9")->address_count, 1);
	world_destroy(w);
}

static void one_port_cannot_claim_all_that_is_free(void **state)
{
	struct world *w = strict_world(ADMISSION_FIRST_COME);
	char mac[24], address[24];

	for (unsigned i = 0; i < 100; i++) {
		w->event_count = w->log_count = 0;
		snprintf(mac, sizeof(mac), "52:54:00:00:02:%02x", i);
		snprintf(address, sizeof(address), "10.10.2.%u", i);
		fake_announces(w, 2, 2, mac, address);
		world_run(w);
	}
	assert_int_equal(w->claimed_count, 64);
	assert_int_equal(refused(w, "too-many-claimed"), 36);
	fake_announces(w, 3, 2, "52:54:00:00:03:01", "10.10.3.1");
	world_run(w);
	assert_bound(w, "10.10.3.1", 3, 2);
	world_destroy(w);
}

static void in_an_open_prefix_claims_are_believed_and_forgotten(void **state)
{
	struct world *w = strict_world(ADMISSION_OPEN);
	struct reason why;

	fake_announces(w, 2, 2, THIEF, "10.10.7.7");
	world_run(w);
	fake_announces(w, 3, 3, THIEF, "10.10.7.7");
	world_run(w);
	assert_bound(w, "10.10.7.7", 3, 3);
	assert_int_equal(w->claimed_count, 0);
	assert_int_equal(core_detach_node(w->core, "10.10.7.7", w->now_ms, &why), 0);
	assert_null(inventory_node(core_inventory(w->core), "10.10.7.7"));
	world_destroy(w);
}

/* --- where ----------------------------------------------------------------------------------- */

static void allow(struct world *w, const char *ports, const char *sites, const char *labels)
{
	struct node_spec n = world_node(w, "vm1");
	struct reason why = {""};

	assert_int_equal(words_parse(&n.allow_ports, WORDS_PATTERNS, ports), 0);
	assert_int_equal(words_parse(&n.allow_sites, WORDS_NAMES, sites), 0);
	assert_int_equal(words_parse(&n.allow_labels, WORDS_LABELS, labels), 0);
	if (core_put_node(w->core, &n, w->now_ms, &why) < 0)
		fail_msg("%s", why.text);
}

static void a_node_is_kept_to_ports_sites_and_labels(void **state)
{
	struct world *w = strict_world(ADMISSION_STRICT);
	struct site east = {.name = "east", .element_count = 1};
	struct reason why;

	strcpy(east.elements[0], "FE3");
	assert_int_equal(words_add(&east.labels, WORDS_LABELS, "zone=a"), 0);
	assert_int_equal(core_add_site(w->core, &east, &why), 0);

	allow(w, "port3", "", "");
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(refused(w, "not-this-port"), 1);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 3);

	/* What is allowed no more is taken away. */
	allow(w, "port2", "", "");
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	allow(w, "port*", "east", "");
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(refused(w, "not-this-site"), 1);
	allow(w, "", "", "zone=a,zone=c");
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(refused(w, "not-this-label"), 1);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 2);
	world_destroy(w);
}

static void a_site_that_there_is_not_is_no_place(void **state)
{
	struct world *w = strict_world(ADMISSION_STRICT);
	struct node_spec n = world_node(w, "vm1");
	struct reason why;

	assert_int_equal(words_parse(&n.allow_sites, WORDS_NAMES, "west"), 0);
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), -EINVAL);
	assert_non_null(strstr(why.text, "west"));
	world_destroy(w);
}

static void words_are_checked(void **state)
{
	struct words w = {""};
	char word[WORD_SIZE], long_word[80];
	unsigned at = 0;

	assert_int_equal(words_add(&w, WORDS_LABELS, "tenant=red"), 0);
	assert_int_equal(words_add(&w, WORDS_LABELS, "web"), 0);
	assert_int_equal(words_add(&w, WORDS_LABELS, "web"), -EEXIST);
	for (const char *const *bad =
		     (const char *const[]){"", "a=b=c", "=a", "a=", "a b", "a,b", "a\n", NULL};
	     *bad; bad++)
		assert_int_equal(words_add(&w, WORDS_LABELS, *bad), -EINVAL);
	memset(long_word, 'a', sizeof(long_word));
	long_word[63] = '\0';
	assert_int_equal(words_add(&w, WORDS_LABELS, long_word), 0);
	long_word[62] = 'b';
	assert_int_equal(words_add(&w, WORDS_LABELS, long_word), -E2BIG);
	assert_true(words_next(w.text, &at, word) && strcmp(word, "tenant=red") == 0);
	assert_true(words_next(w.text, &at, word) && strcmp(word, "web") == 0);
	assert_true(words_next(w.text, &at, word) && strlen(word) == 63);
	assert_false(words_next(w.text, &at, word));
	assert_int_equal(words_parse(&w, WORDS_NAMES, "a,b,"), -EINVAL);
	assert_int_equal(words_parse(&w, WORDS_NAMES, "a,b"), 0);
	assert_true(words_has(w.text, "b"));
	assert_false(words_has(w.text, "ab"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_copied_mac_and_address_on_another_shared_port_bind_nothing),
	cmocka_unit_test(a_forger_who_does_not_even_answer_gets_nothing),
	cmocka_unit_test(a_node_that_left_its_shared_port_moves_when_that_is_silent),
	cmocka_unit_test(when_the_old_port_is_down_nobody_has_to_be_asked),
	cmocka_unit_test(a_node_that_moves_on_while_it_is_asked_about_is_followed),
	cmocka_unit_test(who_claims_while_a_move_is_prepared_is_asked_when_it_came_to_nothing),
	cmocka_unit_test(an_element_without_a_session_is_no_silent_port),
	cmocka_unit_test(an_attested_port_is_believed_at_once),
	cmocka_unit_test(a_label_attests_a_port_for_all_nodes_that_have_it),
	cmocka_unit_test(a_shared_port_does_not_outweigh_an_attested_one),
	cmocka_unit_test(of_two_who_answer_the_one_who_proves_more_has_it),
	cmocka_unit_test(two_machines_with_one_address_are_damped_and_an_alarm_says_so),
	cmocka_unit_test(how_many_claims_in_what_time_is_flapping_can_be_told),
	cmocka_unit_test(a_damped_node_goes_where_its_port_is_attested),
	cmocka_unit_test(a_thousand_honest_moves_in_a_minute_damp_nothing),
	cmocka_unit_test(a_thousand_moves_of_one_node_between_its_own_ports_damp_nothing),
	cmocka_unit_test(an_address_belongs_to_whoever_claims_it_first),
	cmocka_unit_test(what_an_operator_declared_cannot_be_claimed_or_released),
	cmocka_unit_test(one_port_cannot_claim_all_that_is_free),
	cmocka_unit_test(in_an_open_prefix_claims_are_believed_and_forgotten),
	cmocka_unit_test(a_node_is_kept_to_ports_sites_and_labels),
	cmocka_unit_test(a_site_that_there_is_not_is_no_place),
	cmocka_unit_test(words_are_checked),
};

RUN_QUIETLY(tests)
