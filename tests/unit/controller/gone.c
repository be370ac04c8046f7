/* Whose machine is gone: FE2 and FE3 share a LAN, and links of BFD's join them to FE1 and each
 * other.
 */
#include "controller/gone.h"

#include "fake_element.h"
#include "main.h"

#include <stdio.h>

#define SEGMENT 7
#define PORT 2
#define A 11u /* a ring of links: to the next FE */
#define B 12u /* and from the one before */

static void set_ring(struct world *w)
{
	struct link list[3];

	memset(list, 0, sizeof(list));
	for (unsigned i = 0; i < 3; i++) {
		struct link *l = &list[i];

		l->kind = LINK_ETHERNET;
		l->cost = 10;
		l->interval_ms = 50;
		l->multiplier = 3;
		snprintf(l->ends[0], NAME_SIZE, "FE%u", i + 1);
		snprintf(l->ends[1], NAME_SIZE, "FE%u", (i + 1) % 3 + 1);
		strcpy(l->ports[0], "port11");
		strcpy(l->ports[1], "port12");
	}
	core_replace_links(w->core, list, 3, w->now_ms);
}

/* The links of an FE, by what its neighbours say, and what it says itself while it is heard. */
static void links_up(struct world *w, uint32_t fe, bool up)
{
	uint32_t next = fe % 3 + 1, before = (fe + 1) % 3 + 1;

	fake_link_state(w, next, B, up);
	fake_link_state(w, before, A, up);
	if (!fake_of(w, fe)->mute) {
		fake_link_state(w, fe, A, up);
		fake_link_state(w, fe, B, up);
	}
	world_run(w);
}

static struct world *a_shared_segment(bool linked)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	for (unsigned i = 0; linked && i < w->fake_count; i++)
		for (uint32_t port = A; port <= B; port++)
			w->fakes[i].ports[w->fakes[i].port_count++] =
				(struct fake_port){.number = port,
						   .role = PORT_BACKPLANE,
						   .link = LINK_ETHERNET,
						   .up = true};
	world_add_node(w, "vm1", VM1, IP1);
	if (linked)
		set_ring(w);
	for (uint32_t fe = 2; fe <= 3; fe++)
		fake_port(w, fe, PORT)->segment = SEGMENT;
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 200);
	for (uint32_t fe = 1; linked && fe <= 3; fe++)
		links_up(w, fe, true);
	fake_announces(w, 2, PORT, VM1, IP1);
	world_run(w);
	world_wait(w, 6000);
	return w;
}

static uint32_t home(struct world *w)
{
	return core_attachment(w->core, "vm1")->place.fe;
}

static void silence(struct world *w, uint32_t fe, bool silent)
{
	fake_of(w, fe)->mute = fake_of(w, fe)->deaf = silent;
}

/* How long until the other FE is designated; -1: not within 'most_ms'. */
static int takeover_ms(struct world *w, uint32_t from, unsigned most_ms)
{
	for (unsigned passed = 0; passed < most_ms; passed += 10) {
		if (home(w) != from)
			return (int)passed;
		world_wait(w, 10);
	}
	return -1;
}

static void a_machine_that_no_neighbour_hears_is_gone_when_it_does_not_answer(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);
	int ms;

	silence(w, victim, true);
	links_up(w, victim, false);
	ms = takeover_ms(w, victim, 1000);
	assert_in_range(ms, 190, 260);
	assert_non_null(strstr(world_last_event(w, EVENT_ELEMENT_DOWN)->text, "machine is gone"));
	world_destroy(w);
}

static void without_links_silence_lasts_for_the_grace(void **state)
{
	struct world *w = a_shared_segment(false);
	uint32_t victim = home(w);
	int ms;

	silence(w, victim, true);
	ms = takeover_ms(w, victim, 3000);
	assert_in_range(ms, 900, 1300);
	world_destroy(w);
}

static void one_that_a_neighbour_hears_is_not_gone(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);

	silence(w, victim, true);
	fake_link_state(w, victim % 3 + 1, B, false);
	world_run(w);
	assert_int_equal(takeover_ms(w, victim, 2000), -1);
	world_destroy(w);
}

static void an_agent_that_hangs_on_a_machine_that_lives_is_not_gone(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);

	w->acknowledges = true;
	silence(w, victim, true);
	links_up(w, victim, false);
	assert_int_equal(takeover_ms(w, victim, 2000), -1);
	/* The silent connection ends after 3 s as everywhere. */
	assert_in_range(takeover_ms(w, victim, 2000), 0, 1500);
	world_destroy(w);
}

static void an_agent_that_restarts_keeps_its_nodes(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);

	world_disconnect(w, fake_of(w, victim));
	fake_link_state(w, victim % 3 + 1, B, false);
	fake_link_state(w, (victim + 1) % 3 + 1, A, false);
	world_run(w);
	world_wait(w, 800);
	assert_int_equal(home(w), victim);
	world_connect(w, fake_of(w, victim));
	world_run(w);
	world_wait(w, 3000); /* its sessions come up again */
	assert_int_equal(home(w), victim);
	links_up(w, victim, true);
	world_wait(w, 6000);
	assert_int_equal(home(w), victim);
	world_destroy(w);
}

static void who_answers_but_has_no_link_is_the_last_choice_after_a_while(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);

	links_up(w, victim, false);
	world_wait(w, 4000);
	assert_int_equal(home(w), victim);
	assert_in_range(takeover_ms(w, victim, 2000), 0, 1500);
	links_up(w, victim, true);
	world_wait(w, 100);
	assert_int_equal(home(w), victim);
	world_destroy(w);
}

static void where_all_have_lost_their_links_nothing_moves(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t was = home(w);

	for (uint32_t fe = 1; fe <= 3; fe++)
		links_up(w, fe, false);
	assert_int_equal(takeover_ms(w, was, 8000), -1);
	world_destroy(w);
}

static void a_controller_that_stood_still_takes_nobody_for_gone(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);

	links_up(w, victim, false);
	for (unsigned i = 0; i < 3; i++) {
		w->now_ms += 900;
		core_tick(w->core, w->now_ms);
		core_tick(w->core, w->now_ms); /* before anything was read */
		world_run(w);
	}
	assert_int_equal(home(w), victim);
	assert_null(world_last_event(w, EVENT_ELEMENT_DOWN));
	world_destroy(w);
}

static void one_that_was_gone_gets_its_nodes_again(void **state)
{
	struct world *w = a_shared_segment(true);
	uint32_t victim = home(w);

	silence(w, victim, true);
	links_up(w, victim, false);
	assert_true(takeover_ms(w, victim, 1000) >= 0);
	silence(w, victim, false);
	world_connect(w, fake_of(w, victim));
	world_run(w);
	links_up(w, victim, true);
	world_wait(w, 100);
	assert_int_equal(home(w), victim);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_that_no_neighbour_hears_is_gone_when_it_does_not_answer),
		cmocka_unit_test(without_links_silence_lasts_for_the_grace),
		cmocka_unit_test(one_that_a_neighbour_hears_is_not_gone),
		cmocka_unit_test(an_agent_that_hangs_on_a_machine_that_lives_is_not_gone),
		cmocka_unit_test(an_agent_that_restarts_keeps_its_nodes),
		cmocka_unit_test(who_answers_but_has_no_link_is_the_last_choice_after_a_while),
		cmocka_unit_test(where_all_have_lost_their_links_nothing_moves),
		cmocka_unit_test(a_controller_that_stood_still_takes_nobody_for_gone),
		cmocka_unit_test(one_that_was_gone_gets_its_nodes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
