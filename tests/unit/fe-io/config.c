/* victor-fe's configuration: what is read from a good one, and that each bad one is refused with
 * its line and a word that helps. */
#include "fe/io/config.h"

#include "base/compiler.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char good[] =
	"name: fe2\n"
	"id: 2\n"
	"insecure: true\n"
	"controllers: [ \"tcp:10.99.0.1:6653\", \"unix:/run/cc.sock\" ]\n"
	"inspect: unix:/run/victor/fe2.mgmt\n"
	"listen: \"tcp:127.0.0.1:6653\"\n"
	"state: /run/victor/fe2\n"
	"backplane:\n"
	"  device: bp0\n"
	"  address: 172.16.2.2\n"
	"  redirect: 172.16.2.3\n"
	"access:\n"
	"  - { match: srv0, number: 2, identity: vm1, segment: 7, trunk: true }\n"
	"  - { match: \"tap*\" }\n"
	"external: [ { match: ext0, number: 1 } ]\n"
	"binding_limit: 1000\n"
	"announce: { patience_s: 45 }\n"
	"timers: { idle_probe_ms: 20000, tentative_ms: 5000 }\n"
	"log: debug\n";

static int parse(const char *text, struct config *ret, struct reason *why)
{
	return config_parse("fe.yaml", text, strlen(text), ret, why);
}

static void a_good_file_is_read(void **state)
{
	struct config c;
	struct reason why;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(parse(good, &c, &why), 0);
	assert_string_equal(c.agent.name, "fe2");
	assert_int_equal(c.agent.id, 2);
	assert_string_equal(address_format(&c.agent.backplane.pair[FAMILY_IPV4].address, text),
			    "172.16.2.2");
	assert_string_equal(address_format(&c.agent.backplane.pair[FAMILY_IPV4].redirect, text),
			    "172.16.2.3");
	assert_int_equal(c.agent.binding_limit, 1000);
	assert_int_equal(c.agent.idle_probe_ms, 20000);
	assert_int_equal(c.agent.idle_give_up_ms, 3000);
	assert_int_equal(c.agent.tentative_ms, 5000);
	assert_int_equal(c.agent.hold_ms, 1000);
	assert_int_equal(c.patience_ms, 45000);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.controller_count, 2);
	assert_int_equal(c.listener_count, 2);
	assert_string_equal(c.state, "/run/victor/fe2");
	assert_string_equal(c.backplane_device, "bp0");
	assert_int_equal(c.backplane_line, 9);
	config_finish(&c);
}

static void packets_are_kept_for_as_long_as_is_said_or_never(void **state)
{
	static const struct {
		const char *text;
		unsigned hold_ms;
	} cases[] = {
		{"name: a\nid: 1\n", 1000},
		{"name: a\nid: 1\ntimers: { hold_ms: 0 }\n", 0},
		{"name: a\nid: 1\ntimers: { hold_ms: 1 }\n", 1},
		{"name: a\nid: 1\ntimers: { hold_ms: 10000 }\n", 10000},
	};
	struct config c;
	struct reason why;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(cases[i].text, &c, &why), 0);
		assert_int_equal(c.agent.hold_ms, cases[i].hold_ms);
		config_finish(&c);
	}
}

static void the_guard_is_read_and_keeps_nodes_from_controllers(void **state)
{
	static const char text[] =
		"name: fe2\n"
		"id: 2\n"
		"insecure: true\n"
		"controllers: [ \"tcp:10.99.0.1:6653\", \"tcp:127.0.0.1:6653\" ]\n"
		"guard:\n"
		"  closed: true\n"
		"  shield: [ 10.0.0.0/8 ]\n"
		"  neighbor: { rate: 500, burst: 50 }\n";
	static const char *const wrong[] = {
		"guard: { shield: [ 0.0.0.0/0 ] }", "guard: { shield: [ there ] }",
		"guard: { neighbor: { rate: 5 } }", "guard: { stranger: { rate: 0, burst: 1 } }",
		"guard: { registration: { rate: 1, burst: 9999999 } }"};
	char bad[128], prefix[PREFIX_TEXT_SIZE];
	struct config c;
	struct reason why;

	assert_int_equal(parse(text, &c, &why), 0);
	assert_true(c.guard.closed);
	assert_int_equal(c.guard.neighbor.rate, 500);
	assert_int_equal(c.guard.neighbor.burst, 50);
	assert_int_equal(c.guard.stranger.rate, 0);
	assert_int_equal(c.guard.shield_count, 2);
	assert_string_equal(prefix_format(&c.guard.shield[0], prefix), "10.0.0.0/8");
	assert_string_equal(prefix_format(&c.guard.shield[1], prefix), "10.99.0.1/32");
	config_finish(&c);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(bad, sizeof(bad), "name: fe2\nid: 2\n%s\n", wrong[i]);
		assert_int_equal(parse(bad, &c, &why), -EINVAL);
		assert_non_null(strstr(why.text, "fe.yaml:3:"));
	}
}

static void provisioned_links_are_backplane_ports_of_a_kind(void **state)
{
	static const char text[] = "name: fe2\n"
				   "id: 2\n"
				   "backplane: { address: 172.16.2.1, redirect: 172.16.2.2 }\n"
				   "links:\n"
				   "  - { match: l2a, number: 21, kind: ethernet }\n"
				   "  - { match: wg0, kind: raw }\n";
	static const char wrong[] = "name: fe2\n"
				    "id: 2\n"
				    "backplane: { address: 172.16.2.1, redirect: 172.16.2.2 }\n"
				    "links: [ { match: l2a, kind: udp } ]\n";
	static const char homeless[] = "name: fe2\n"
				       "id: 2\n"
				       "links: [ { match: l2a, kind: mpls } ]\n";
	struct config c;
	struct reason why;

	assert_int_equal(parse(text, &c, &why), 0);
	assert_int_equal(c.match_count, 2);
	assert_string_equal(c.backplane_device, "");
	assert_int_equal(c.matches[0].info.role, PORT_BACKPLANE);
	assert_int_equal(c.matches[0].info.link, LINK_ETHERNET);
	assert_int_equal(c.matches[0].info.number, 21);
	assert_int_equal(c.matches[1].info.link, LINK_RAW);
	config_finish(&c);
	assert_true(parse(wrong, &c, &why) < 0);
	assert_non_null(strstr(why.text, "fe.yaml:4: kind 'udp': ethernet, mpls or raw"));
	assert_true(parse(homeless, &c, &why) < 0);
	assert_non_null(strstr(why.text, "backplane addresses"));
}

#define NAMED "name: a\nid: 1\n"
#define DUAL "address: 1.2.3.4, redirect: 1.2.3.5, address6: \"fd00::4\", redirect6: \"fd00::5\""

static void both_families_are_read_with_their_spread_and_class(void **state)
{
	static const struct {
		const char *text;
		uint8_t mode, dscp;
	} classes[] = {{"", DIFFSERV_MODE_PIPE, 0},
		       {", diffserv: pipe", DIFFSERV_MODE_PIPE, 0},
		       {", diffserv: uniform", DIFFSERV_MODE_UNIFORM, 0},
		       {", diffserv: 46", DIFFSERV_MODE_FIXED, 46},
		       {", diffserv: 0", DIFFSERV_MODE_FIXED, 0}};
	char text[256], shown[ADDRESS_TEXT_SIZE];
	const struct backplane *b;
	struct reason why;
	struct config c;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		snprintf(text, sizeof(text),
			 NAMED "backplane: { " DUAL ", spread: 1.2.4.0/28, "
			       "spread6: \"fd00::1:0/112\"%s }\n",
			 classes[i].text);
		assert_int_equal(parse(text, &c, &why), 0);
		b = &c.agent.backplane;
		assert_string_equal(address_format(&b->pair[FAMILY_IPV6].address, shown),
				    "fd00::4");
		assert_string_equal(address_format(&b->pair[FAMILY_IPV6].redirect, shown),
				    "fd00::5");
		assert_int_equal(b->pair[FAMILY_IPV4].spread.length, 96 + 28);
		assert_int_equal(b->pair[FAMILY_IPV6].spread.length, 112);
		assert_int_equal(b->diffserv, classes[i].mode);
		assert_int_equal(b->dscp, classes[i].dscp);
		config_finish(&c);
	}
	assert_int_equal(parse(NAMED
			       "backplane: { address6: \"fd00::4\", redirect6: \"fd00::5\" }\n",
			       &c, &why),
			 0);
	assert_true(address_is_zero(&c.agent.backplane.pair[FAMILY_IPV4].address));
	config_finish(&c);
}

static void xdp_is_off_unless_said(void **state)
{
	static const struct {
		const char *text;
		enum datapath_xdp xdp;
	} cases[] = {{"name: a\nid: 1\n", DATAPATH_XDP_OFF},
		     {"name: a\nid: 1\nxdp: off\n", DATAPATH_XDP_OFF},
		     {"name: a\nid: 1\nxdp: auto\n", DATAPATH_XDP_AUTO},
		     {"name: a\nid: 1\nxdp: on\n", DATAPATH_XDP_ON}};
	struct config c;
	struct reason why;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(cases[i].text, &c, &why), 0);
		assert_int_equal(c.xdp, cases[i].xdp);
		config_finish(&c);
	}
}

static void it_waits_awake_unless_said_otherwise(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse("name: a\nid: 1\n", &c, &why), 0);
	assert_int_equal(c.awake_us, 500);
	config_finish(&c);
	assert_int_equal(parse("name: a\nid: 1\nawake_us: 0\n", &c, &why), 0);
	assert_int_equal(c.awake_us, 0);
	config_finish(&c);
}

static void its_ports_are_read_with_their_roles(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse(good, &c, &why), 0);
	assert_int_equal(c.match_count, 4);
	assert_int_equal(c.matches[0].info.role, PORT_BACKPLANE);
	assert_int_equal(c.matches[0].info.number, PORT_NUMBER_BACKPLANE);
	assert_int_equal(c.matches[1].info.role, PORT_ACCESS);
	assert_int_equal(c.matches[1].info.number, 2);
	assert_int_equal(c.matches[1].info.segment, 7);
	assert_true(c.matches[1].info.trunk);
	assert_string_equal(c.matches[1].info.identity, "vm1");
	assert_string_equal(c.matches[2].pattern, "tap*");
	assert_int_equal(c.matches[2].info.number, 0);
	assert_int_equal(c.matches[3].info.role, PORT_EXTERNAL);
	config_finish(&c);
}

static void the_routing_daemons_pid_files_are_read(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse(NAMED "routing_daemons: [ /run/bird/bird.pid, /x ]\n", &c, &why), 0);
	assert_int_equal(c.daemon_count, 2);
	assert_string_equal(c.daemons[0], "/run/bird/bird.pid");
	assert_string_equal(c.daemons[1], "/x");
	config_finish(&c);
}

static void a_name_and_an_id_are_enough(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse("name: edge-7\nid: 65535\n", &c, &why), 0);
	assert_string_equal(c.state, "/run/victor/edge-7");
	assert_int_equal(c.match_count, 0);
	assert_true(address_is_zero(&c.agent.backplane.pair[FAMILY_IPV4].address));
	assert_int_equal(c.agent.idle_probe_ms, 30000);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	config_finish(&c);
}

static const struct {
	const char *text, *line, *word;
} bad[] = {
	{"", "", "empty"},
	{"name: a\nid: 1\n- x\n", "fe.yaml:3: ", "not YAML"},
	{"name: a\nid: 1\ncolour: red\n", "fe.yaml:3: ", "colour"},
	{"name: a\n", "fe.yaml:", "id"},
	{"id: 1\n", "fe.yaml:", "name"},
	{"name: a\nid: 0\n", "fe.yaml:2: ", "from 1 to 65535"},
	{"name: a\nid: 65536\n", "fe.yaml:2: ", "from 1 to 65535"},
	{"name: a\nid: two\n", "fe.yaml:2: ", "Invalid"},
	{"name: a/b\nid: 1\n", "fe.yaml:1: ", "only letters"},
	{"name: ..\nid: 1\n", "fe.yaml:1: ", "only letters"},
	{"name: a\nid: 1\ncontrollers: [ \"10.0.0.1\" ]\n", "fe.yaml:3: ", "write tcp:"},
	{"name: a\nid: 1\ncontrollers:\n  - \"unix:/x\"\n  - \"tcp:10.0.0.1:6653\"\n",
	 "fe.yaml:5: ", "insecure: true"},
	{"name: a\nid: 1\nlisten: \"tcp:0.0.0.0:6653\"\n", "fe.yaml:3: ", "insecure: true"},
	{"name: a\nid: 1\ncontrollers: [ \"tls:192.0.2.1:6653\" ]\n",
	 "fe.yaml:3: ", "victorctl pki issue fe a 1"},
	{"name: a\nid: 1\nlisten: \"tls:127.0.0.1:6653\"\n", "fe.yaml:3: ", "only controllers"},
	{"name: a\nid: 1\ntls: { certificate: c.pem, key: /k, ca: /a }\n",
	 "fe.yaml:3: ", "absolute path"},
	{"name: a\nid: 1\ntls: { certificate: /c.pem, ca: /a }\n", "fe.yaml:3", "key"},
	{"name: a\nid: 1\nlisten: \"tcp:127.0.0.1:0\"\n", "fe.yaml:3: ", "port number"},
	{"name: a\nid: 1\ninspect: unix:run\n", "fe.yaml:3: ", "start with '/'"},
	{"name: a\nid: 1\nstate: run/x\n", "fe.yaml:3: ", "absolute"},
	{"name: a\nid: 1\nstate: /sys/fs/bpf/x\n", "fe.yaml:3: ", "/run/victor"},
	{"name: a\nid: 1\nrouting_daemons: [ bird.pid ]\n", "fe.yaml:3: ", "absolute path"},
	{"name: a\nid: 1\nlog: loud\n", "fe.yaml:3: ", "debug"},
	{"name: a\nid: 1\nxdp: yes\n", "fe.yaml:3: ", "write off, auto or on"},
	{"name: a\nid: 1\nawake_us: 10001\n", "fe.yaml:3: ", "at most 10000"},
	{"name: a\nid: 1\nbinding_limit: 0\n", "fe.yaml:3: ", "from 1"},
	{"name: a\nid: 1\ntimers:\n  tentative_ms: 1\n", "fe.yaml:4: ", "milliseconds"},
	{"name: a\nid: 1\ntimers:\n  tentative: 1\n", "fe.yaml:4: ", "tentative"},
	{"name: a\nid: 1\ntimers:\n  hold_ms: 10001\n", "fe.yaml:4: ", "at most 10000"},
	{"name: a\nid: 1\nbackplane:\n  device: bp0\n  address: fe80::1\n  redirect: 1.2.3.4\n",
	 "fe.yaml:5: ", "IPv4"},
	{"name: a\nid: 1\nbackplane:\n  device: bp0\n  address: 1.2.3.4\n  redirect: 1.2.3.4\n",
	 "fe.yaml:6: ", "second address"},
	{"name: a\nid: 1\nbackplane:\n  device: bp0\n  address: 1.2.3.4\n  redirect: 127.0.0.1\n",
	 "fe.yaml:6: ", "reach"},
	{"name: a\nid: 1\nbackplane: { device: \"bp*\", address: 1.2.3.4, redirect: 1.2.3.5 }\n",
	 "fe.yaml:3: ", "not a pattern"},
	{"name: a\nid: 1\nbackplane: { device: bp0, address: 1.2.3.4 }\n",
	 "fe.yaml:3: ", "redirect"},
	{NAMED "backplane: { device: bp0 }\n", "fe.yaml:3: ", "address6"},
	{NAMED "backplane: { address6: \"fd00::4\" }\n", "fe.yaml:3: ", "redirect6"},
	{NAMED "backplane: { address6: 1.2.3.4, redirect6: \"fd00::5\" }\n", "fe.yaml:3: ", "IPv6"},
	{NAMED "backplane: { address6: \"fe80::4\", redirect6: \"fd00::5\" }\n",
	 "fe.yaml:3: ", "reach"},
	{NAMED "backplane: { address6: \"ff02::4\", redirect6: \"fd00::5\" }\n",
	 "fe.yaml:3: ", "reach"},
	{NAMED "backplane: { " DUAL ", spread: \"fd00::/112\" }\n", "fe.yaml:3: ", "IPv4 prefix"},
	{NAMED "backplane: { " DUAL ", spread: 1.2.3.9/32 }\n", "fe.yaml:3: ", "may vary"},
	{NAMED "backplane: { " DUAL ", spread6: \"fd00::/64\" }\n", "fe.yaml:3: ", "may vary"},
	{NAMED "backplane: { address: 1.2.3.4, redirect: 1.2.3.5, spread6: \"fd00::/112\" }\n",
	 "fe.yaml:3: ", "address6"},
	{NAMED "backplane: { " DUAL ", diffserv: 64 }\n", "fe.yaml:3: ", "0 to 63"},
	{NAMED "backplane: { " DUAL ", diffserv: short }\n", "fe.yaml:3: ", "uniform"},
	{"name: a\nid: 1\naccess:\n  - match: \"t*\"\n    number: 3\n",
	 "fe.yaml:5: ", "number to a"},
	{"name: a\nid: 1\naccess:\n  - { match: t0, number: 65000 }\n", "fe.yaml:4: ", "64999"},
	{"name: a\nid: 1\naccess:\n  - { match: t0, number: 3 }\n  - { match: t1, number: 3 }\n",
	 "fe.yaml:5: ", "line 4 already"},
	{"name: a\nid: 1\naccess:\n  - { match: t0 }\nexternal:\n  - { match: t0 }\n",
	 "fe.yaml:6: ", "line 4 already"},
	{"name: a\nid: 1\naccess:\n  - { match: sixteen-letters- }\n", "fe.yaml:4: ", "no name"},
	{"name: a\nid: 1\naccess:\n  - { match: t0, trunk: maybe }\n", "fe.yaml:4: ", "trunk"},
	{"name: a\nid: 1\naccess:\n  - { match: \"t*\", identity: vm }\n", "fe.yaml:4: ", "many"},
	{"name: a\nid: 1\nexternal:\n  - { match: e0, segment: 4 }\n", "fe.yaml:4: ", "segment"},
};

static void a_bad_file_is_refused_with_its_line(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config c;
		struct reason why = {""};

		assert_int_not_equal(parse(bad[i].text, &c, &why), 0);
		if (strncmp(why.text, bad[i].line, strlen(bad[i].line)) != 0 ||
		    !strstr(why.text, bad[i].word))
			fail_msg("for:\n%s\nit says: %s\ninstead of: %s... %s", bad[i].text,
				 why.text, bad[i].line, bad[i].word);
		assert_null(strchr(why.text, '\n'));
		assert_null(c.matches);
	}
}

static void a_file_that_is_not_there_is_refused(void **state)
{
	struct config c;
	struct reason why;

	assert_int_not_equal(config_load("/nowhere/fe.yaml", &c, &why), 0);
	assert_non_null(strstr(why.text, "/nowhere/fe.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_read),
		cmocka_unit_test(packets_are_kept_for_as_long_as_is_said_or_never),
		cmocka_unit_test(provisioned_links_are_backplane_ports_of_a_kind),
		cmocka_unit_test(both_families_are_read_with_their_spread_and_class),
		cmocka_unit_test(xdp_is_off_unless_said),
		cmocka_unit_test(it_waits_awake_unless_said_otherwise),
		cmocka_unit_test(its_ports_are_read_with_their_roles),
		cmocka_unit_test(the_routing_daemons_pid_files_are_read),
		cmocka_unit_test(the_guard_is_read_and_keeps_nodes_from_controllers),
		cmocka_unit_test(a_name_and_an_id_are_enough),
		cmocka_unit_test(a_bad_file_is_refused_with_its_line),
		cmocka_unit_test(a_file_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
