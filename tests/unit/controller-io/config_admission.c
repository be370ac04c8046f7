/* controller/io/config_admission: modes, sites, where nodes are let in, exits that nobody knows. */
#include "controller/io/config_admission.h"

#include "controller/io/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct config *ret, struct reason *why)
{
	return config_parse("victor.yaml", text, strlen(text), ret, why);
}

static void all_of_it_is_read(void **state)
{
	struct config c;
	struct reason why = {""};

	if (parse("shared_ports: trust\n"
		  "flapping: { claims: 7, window_s: 60 }\n"
		  "sites:\n"
		  "  - { name: east, elements: [ fe2 ], labels: [ zone=eu, lab ],"
		  " networks: [ 10.2.0.0/16, \"2001:db8:2::/48\" ],"
		  " imports: [ { vrf: 7, prefix: 10.20.0.0/16 } ] }\n"
		  "prefixes:\n"
		  "  - { prefix: 10.10.0.0/16, mobile: true, mode: first-come }\n"
		  "  - { prefix: 10.11.0.0/16, mobile: true }\n"
		  "nodes:\n"
		  "  - { id: a, addresses: [ 10.10.0.1 ], labels: [ tenant=red ],"
		  " allow: { ports: [ \"tap*\" ], sites: [ east ], labels: [ lab ] } }\n",
		  &c, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(c.core.admission, ADMISSION_STRICT);
	assert_int_equal(c.core.shared_ports, SHARED_PORTS_TRUST);
	assert_int_equal(c.core.flapping_claims, 7);
	assert_int_equal(c.core.flapping_window_ms, 60000);
	assert_int_equal(c.prefixes[0].mode, 1 + ADMISSION_FIRST_COME);
	assert_int_equal(c.prefixes[1].mode, 0);
	assert_int_equal(c.site_count, 1);
	assert_string_equal(c.sites[0].labels.text, "zone=eu,lab");
	assert_int_equal(c.sites[0].network_count, 3);
	assert_false(c.sites[0].networks[1].imported);
	assert_true(c.sites[0].networks[2].imported);
	assert_int_equal(c.sites[0].networks[2].vrf, 7);
	assert_string_equal(c.nodes[0].labels.text, "tenant=red");
	assert_string_equal(c.nodes[0].allow_ports.text, "tap*");
	assert_string_equal(c.nodes[0].allow_sites.text, "east");
	assert_string_equal(c.nodes[0].allow_labels.text, "lab");
	assert_true(c.nodes[0].mobile);
	config_finish(&c);
}

static void what_is_not_said_is_strict(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse("name: x\n", &c, &why), 0);
	assert_int_equal(c.core.admission, ADMISSION_STRICT);
	assert_int_equal(c.core.shared_ports, SHARED_PORTS_ASK);
	assert_int_equal(c.core.flapping_claims, 5);
	assert_int_equal(c.core.flapping_window_ms, 180000);
	config_finish(&c);
}

static void refused(const char *text, const char *place, const char *word)
{
	struct config c;
	struct reason why = {""};

	assert_true(parse(text, &c, &why) < 0);
	if (strncmp(why.text, place, strlen(place)) != 0 || !strstr(why.text, word))
		fail_msg("expected '%s ... %s ...', got '%s'", place, word, why.text);
}

static void each_refusal_names_its_line(void **state)
{
	refused("name: x\nadmission: maybe\n", "victor.yaml:2:", "first-come");
	refused("name: x\nprefixes:\n- { prefix: 10.0.0.0/8, mode: any }\n",
		"victor.yaml:3:", "'any'");
	refused("name: x\nflapping: { claims: 1 }\n", "victor.yaml:2:", "2 to 1000");
	refused("name: x\nflapping: { window_s: 0 }\n", "victor.yaml:2:", "1 to 86400");
	refused("sites:\n- { name: a, networks: [ 10.2.0.1/16 ] }\n",
		"victor.yaml:2:", "beyond its length");
	refused("sites:\n- { name: a, imports: [ { vrf: 1, prefix: x } ] }\n",
		"victor.yaml:2:", "no prefix");
	refused("sites:\n- { name: a, labels: [ a=b=c ] }\n", "victor.yaml:2:", "labels");
	refused("nodes:\n- { id: a, addresses: [ 10.0.0.1 ], labels: [ x, x ] }\n",
		"victor.yaml:2:", "twice");
	refused("nodes:\n- { id: a, addresses: [ 10.0.0.1 ], allow: { elements: [ fe1 ] } }\n",
		"victor.yaml:", "elements");
}

static unsigned warnings;
static char said[512];

static void warn(const struct config *c, unsigned line, const char *text)
{
	warnings++;
	snprintf(said, sizeof(said), "%u: %s", line, text);
}

static void an_exit_that_nobody_knows_is_warned_of(void **state)
{
	struct config c;
	struct reason why = {""};

	assert_int_equal(
		parse("networks:\n"
		      "  - { name: isp, as: 64500, elements: [ fe1 ] }\n"
		      "links:\n"
		      "  - { between: [ fe2, fe3 ] }\n"
		      "prefixes:\n"
		      "  - { prefix: 10.10.0.0/16, mobile: true, exits: [ isp, fe1, fe2 ] }\n"
		      "  - { prefix: 10.11.0.0/16, mobile: true, exits: [ fe3 ],"
		      " announce_at: [ fe11 ] }\n",
		      &c, &why),
		0);
	config_check_exits(&c, warn);
	assert_int_equal(warnings, 1);
	assert_int_equal(strncmp(said, "7: ", 3), 0);
	assert_non_null(strstr(said, "'fe11'"));
	assert_non_null(strstr(said, "announce_at"));
	config_finish(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_read),
		cmocka_unit_test(what_is_not_said_is_strict),
		cmocka_unit_test(each_refusal_names_its_line),
		cmocka_unit_test(an_exit_that_nobody_knows_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
