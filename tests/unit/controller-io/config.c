/* controller/io/config: what is accepted, and the line that a refusal names. */
#include "controller/io/config.h"

#include "controller/io/registration_key.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char whole[] =
	"name: lab\n"
	"southbound: [ \"tcp:10.99.0.1:6653\" ]\n"
	"northbound: [ \"unix:/run/victor/controller.sock\", \"tcp:127.0.0.1:8080\" ]\n"
	"insecure: true\n"
	"state: /var/lib/victor\n"
	"admission: open\n"
	"gateway_mac: \"02:00:5e:00:53:09\"\n"
	"log: debug\n"
	"timers: { port_grace_ms: 1000, probe_timeout_ms: 0 }\n"
	"prefixes:\n"
	"  - { prefix: 10.10.0.0/16, mobile: true, gateway: 10.10.0.1 }\n"
	"  - { prefix: 10.2.3.0/24, gateway: 10.2.3.254, elements: [ fe2 ], announce: false }\n"
	"links:\n"
	"  - { between: [ fe1, fe2 ] }\n"
	"nodes:\n"
	"  - { id: vm1, mac: \"52:54:00:00:00:05\", addresses: [ 10.10.0.11, \"2001:db8::1\" ] }\n"
	"  - { id: server1, addresses: [ 10.2.3.1 ], elements: [ fe2 ] }\n";

static int parse(const char *text, struct config *ret, struct reason *why)
{
	return config_parse("victor.yaml", text, strlen(text), ret, why);
}

static void a_whole_file_is_understood(void **state)
{
	struct config c;
	struct reason why;
	struct address v6;

	assert_int_equal(parse(whole, &c, &why), 0);
	assert_string_equal(c.core.name, "lab");
	assert_int_equal(c.core.admission, ADMISSION_OPEN);
	assert_int_equal(c.core.gateway_mac.bytes[5], 9);
	assert_int_equal(c.core.port_grace_ms, 1000);
	assert_int_equal(c.core.prepare_timeout_ms, 30000); /* not said: the default */
	assert_int_equal(c.core.probe_timeout_ms, 0);       /* said: as it is */
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.southbound_count, 1);
	assert_int_equal(c.northbound_count, 2);
	assert_true(c.northbound[0].is_unix);
	assert_int_equal(c.prefix_count, 2);
	assert_true(c.prefixes[0].mobile);
	assert_int_equal(c.prefixes[0].prefix.length, 96 + 16);
	assert_false(c.prefixes[1].mobile);
	assert_false(c.prefixes[0].internal);
	assert_true(c.prefixes[1].internal);
	assert_string_equal(c.prefixes[1].elements[0], "fe2");
	assert_int_equal(c.links[0].cost, 10);
	assert_int_equal(address_parse("2001:db8::1", &v6), 0);
	assert_true(address_equal(&c.nodes[0].addresses[1], &v6));
	config_finish(&c);
}

static void a_node_is_mobile_unless_it_has_elements(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse(whole, &c, &why), 0);
	assert_true(config_node(&c, "vm1")->mobile);
	assert_false(config_node(&c, "server1")->mobile);
	assert_null(config_node(&c, "vm"));
	config_finish(&c);
}

static void lines_of_items_are_known(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse(whole, &c, &why), 0);
	assert_int_equal(c.prefix_lines[1], 12);
	assert_int_equal(c.link_lines[0], 14);
	assert_int_equal(c.node_lines[1], 17);
	config_finish(&c);
}

static void tunnels_are_read_for_all_and_for_pairs(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse("encapsulation: vxlan\nunderlay: ipv6\n"
			       "tunnels:\n"
			       "  - { between: [ fe1, fe3 ], encapsulation: ipip }\n"
			       "  - { between: [ fe2, fe3 ], underlay: ipv4 }\n",
			       &c, &why),
			 0);
	assert_int_equal(c.core.tunnel.encapsulation, ENCAPSULATION_VXLAN);
	assert_int_equal(c.core.tunnel.underlay, UNDERLAY_WISH_IPV6);
	assert_int_equal(c.tunnel_count, 2);
	assert_string_equal(c.tunnels[0].ends[0], "fe1");
	assert_string_equal(c.tunnels[0].ends[1], "fe3");
	assert_int_equal(c.tunnels[0].encapsulation, ENCAPSULATION_IPIP);
	assert_int_equal(c.tunnels[0].underlay, UNDERLAY_WISH_NONE); /* as for all */
	assert_int_equal(c.tunnels[1].encapsulation, 0);
	assert_int_equal(c.tunnels[1].underlay, UNDERLAY_WISH_IPV4);
	assert_int_equal(c.tunnel_lines[1], 5);
	config_finish(&c);
	assert_int_equal(parse("name: x\n", &c, &why), 0);
	assert_int_equal(c.core.tunnel.underlay, UNDERLAY_WISH_NONE);
	config_finish(&c);
}

static void little_is_needed(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(parse("name: x\n", &c, &why), 0);
	assert_string_equal(c.southbound[0].text, "tcp:127.0.0.1:6653");
	assert_string_equal(c.northbound[0].text, "unix:/run/victor/controller.sock");
	assert_string_equal(c.state, "/var/lib/victor");
	assert_int_equal(c.core.admission, ADMISSION_STRICT);
	config_finish(&c);
}

static void refused(const char *text, const char *place, const char *word)
{
	struct config c;
	struct reason why = {""};

	assert_true(parse(text, &c, &why) < 0);
	if (strncmp(why.text, place, strlen(place)) != 0 || !strstr(why.text, word))
		fail_msg("expected '%s ... %s ...', got '%s'", place, word, why.text);
	assert_null(strchr(why.text, '\n'));
}

#define SWITCH(more)                                                                         \
	"elements:\n  - { name: fe2, id: 2, kind: ovs, backplane: { address: 172.16.2.2 }, " \
	"ports: [ { match: srv0, role: " more " } ] }\n"

static void a_switch_is_declared_with_its_ports(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(
		parse(SWITCH("external, address: 192.0.2.1/24, next_hop: 192.0.2.10"), &c, &why),
		0);
	assert_int_equal(c.element_count, 1);
	assert_string_equal(c.elements[0].name, "fe2");
	assert_int_equal(c.elements[0].id, 2);
	assert_string_equal(c.elements[0].ports[0].match, "srv0");
	assert_int_equal(c.elements[0].ports[0].role, PORT_EXTERNAL);
	assert_int_equal(c.elements[0].ports[0].ways[FAMILY_IPV4].address.bytes[15], 1);
	assert_int_equal(c.elements[0].ports[0].ways[FAMILY_IPV4].next_hop.bytes[15], 10);
	config_finish(&c);
	assert_int_equal(parse(SWITCH("external, address: 192.0.2.1/24, address6: 2001:db8::1/64, "
				      "routing: { netns: outside, device: ext0 }"),
			       &c, &why),
			 0);
	assert_int_equal(c.elements[0].ports[0].ways[FAMILY_IPV6].length, 64);
	assert_string_equal(c.elements[0].ports[0].routing.netns, "/run/netns/outside");
	assert_string_equal(c.elements[0].ports[0].routing.device, "ext0");
	config_finish(&c);
	refused(SWITCH("access, routing: { netns: x }"), "victor.yaml:2:", "external");
	refused(SWITCH("external, address: 192.0.2.1/24, routing: { device: a/b }"),
		"victor.yaml:2:", "no device's name");
	refused(SWITCH("external, address: 192.0.2.1/24, address6: 2001:db8::1/129"),
		"victor.yaml:2:", "2001:db8::1/64");
	refused(SWITCH("external, address: 192.0.2.1/24, address6: 192.0.2.1/24"),
		"victor.yaml:2:", "2001:db8::1/64");
	refused(SWITCH("backplane"), "victor.yaml:2:", "access or external");
	refused(SWITCH("external, address: 192.0.2.1"), "victor.yaml:2:", "192.0.2.1/24");
	refused(SWITCH("external, address: 192.0.2.1/33"), "victor.yaml:2:", "192.0.2.1/24");
	refused(SWITCH("external, address: 192.0.2.1/29, next_hop: 192.0.2.10"),
		"victor.yaml:2:", "is not in");
	refused("elements:\n  - { name: a, id: 1, kind: other, backplane: { address: 1.2.3.4 }, "
		"ports: [] }\n",
		"victor.yaml:2:", "other");
	refused("elements:\n  - { name: a, id: 1, kind: ovs, backplane: { address: x }, "
		"ports: [] }\n",
		"victor.yaml:2:", "no address");
}

static void networks_and_exits_are_read(void **state)
{
	struct config c;
	struct reason why;

	assert_int_equal(
		parse("networks:\n"
		      "  - { name: isp, as: 64501, elements: [ fe1, fe2 ], peers: [ b ] }\n"
		      "  - { name: b }\n"
		      "  - { name: c, upstreams: [ isp, b ] }\n"
		      "prefixes:\n"
		      "  - { prefix: 10.0.0.0/8, exits: [ isp, fe3 ], announce_at: [ fe1 ] }\n",
		      &c, &why),
		0);
	assert_int_equal(c.network_count, 3);
	assert_int_equal(c.networks[0].as, 64501);
	assert_string_equal(c.networks[0].elements[1], "fe2");
	assert_string_equal(c.networks[0].peers[0], "b");
	assert_string_equal(c.networks[2].upstreams[1], "b");
	assert_int_equal(c.prefixes[0].exit_count, 2);
	assert_string_equal(c.prefixes[0].exits[1], "fe3");
	assert_string_equal(c.prefixes[0].announcers[0], "fe1");
	config_finish(&c);
	refused("networks:\n  - { as: 1 }\n", "victor.yaml:2:", "name");
}

static void each_refusal_names_its_line(void **state)
{
	refused("name: x\nfoo: 1\n", "victor.yaml:2:", "foo");
	refused("name: x\nnodes:\n  - id: a\n    colour: red\n    addresses: [ 1.2.3.4 ]\n",
		"victor.yaml:4:", "colour");
	refused("name: x\n\nprefixes:\n  - { prefix: 10.10.0.0/33 }\n",
		"victor.yaml:4:", "10.10.0.0/33");
	refused("prefixes:\n  - { prefix: 10.10.0.1/16 }\n", "victor.yaml:2:", "beyond");
	refused("prefixes:\n  - { mobile: true }\n", "victor.yaml:2:", "prefix");
	refused("links:\n  - { between: [ fe1 ] }\n", "victor.yaml:2:", "");
	refused("nodes:\n  - { id: a, addresses: [ 10.0.0.300 ] }\n",
		"victor.yaml:2:", "10.0.0.300");
	refused("nodes:\n  - { id: a, addresses: [ 10.0.0.1 ] }\n"
		"  - { id: a, addresses: [ 10.0.0.2 ] }\n",
		"victor.yaml:3:", "line 2");
	refused("name: x\nadmission: maybe\n", "victor.yaml:2:", "strict");
	refused("name: x\nencapsulation: gre\n", "victor.yaml:2:", "ipip or vxlan");
	refused("name: x\nunderlay: both\n", "victor.yaml:2:", "ipv4 or ipv6");
	refused("tunnels:\n  - { between: [ a, b ], underlay: ipx }\n",
		"victor.yaml:2:", "ipv4 or ipv6");
	refused("tunnels:\n  - { between: [ a, b ], encapsulation: 7 }\n",
		"victor.yaml:2:", "ipip or vxlan");
	refused("tunnels:\n  - { between: [ a ] }\n", "victor.yaml:2:", "");
	refused("name: x\nlog: loud\n", "victor.yaml:2:", "loud");
	refused("gateway_mac: \"01:00:5e:00:00:01\"\n", "victor.yaml:1:", "unicast");
	refused("state: relative\n", "victor.yaml:1:", "absolute");
	refused("timers: { probe_timeout_ms: soon }\n", "victor.yaml:1:", "");
	refused("prefixes:\n  - { prefix: 10.0.0.0/8, mobile: maybe }\n", "victor.yaml:2:", "");
	refused("name: [\n", "victor.yaml:2:", "YAML");
	refused("", "victor.yaml:", "empty");
}

static void without_insecure_only_private_endpoints_are_taken(void **state)
{
	struct config c;
	struct reason why;

	refused("southbound:\n  - tcp:127.0.0.1:1\n  - tcp:10.0.0.1:6653\n",
		"victor.yaml:3:", "insecure");
	refused("northbound: [ \"tcp:0.0.0.0:8080\" ]\n", "victor.yaml:1:", "insecure");
	assert_int_equal(parse("southbound: [ \"tcp:10.0.0.1:6653\" ]\ninsecure: true\n", &c, &why),
			 0);
	config_finish(&c);
}

static void tls_needs_its_files(void **state)
{
	struct config c;
	struct reason why;

	refused("southbound: [ \"tls:10.0.0.1:6653\" ]\n", "victor.yaml:1:", "victorctl pki");
	refused("tls: { certificate: /c.pem, ca: /ca.pem }\n", "victor.yaml:1", "key");
	refused("tls: { certificate: /c.pem, key: k.pem, ca: /ca.pem }\n",
		"victor.yaml:1:", "absolute");
	assert_int_equal(parse("southbound: [ \"tls:10.0.0.1:6653\" ]\n"
			       "tls: { certificate: /c.pem, key: /k.pem, ca: /ca.pem }\n",
			       &c, &why),
			 0);
	assert_true(c.has_tls && c.southbound[0].is_tls);
	assert_string_equal(c.tls.ca, "/ca.pem");
	assert_string_equal(c.tls.crl, "");
	config_finish(&c);
}

static void a_missing_file_is_named(void **state)
{
	struct config c;
	struct reason why;

	assert_true(config_load("/nowhere/victor.yaml", &c, &why) < 0);
	assert_non_null(strstr(why.text, "/nowhere/victor.yaml"));
	assert_non_null(strstr(why.text, "--config"));
}

static void a_prefix_says_who_must_sign(void **state)
{
	static const char text[] = "prefixes:\n"
				   "  - { prefix: 10.1.0.0/16, registration: signed }\n"
				   "  - { prefix: 10.2.0.0/16, registration: any }\n"
				   "registration: { lifetime: 60, key: /etc/victor/own.key }\n";
	struct config c;
	struct reason why;

	assert_int_equal(config_parse("victor.yaml", text, strlen(text), &c, &why), 0);
	assert_true(c.prefixes[0].signed_only);
	assert_false(c.prefixes[1].signed_only);
	assert_int_equal(c.core.registration_lifetime_s, 60);
	assert_string_equal(c.registration_key, "/etc/victor/own.key");
	config_finish(&c);
	refused("prefixes:\n  - { prefix: 10.1.0.0/16, registration: maybe }\n",
		"victor.yaml:2:", "any or signed");
	refused("registration: { lifetime: 4 }\n", "victor.yaml:1:", "lifetime");
	refused("registration: { key: own.key }\n", "victor.yaml:1:", "absolute");
}

static void our_own_key_is_made_once_and_nobody_elses_to_read(void **state)
{
	struct config c = {.registration_key = ""};
	struct sign_key key, again;
	struct reason why;
	struct stat s;
	char path[300];
	FILE *f;

	strcpy(c.state, "/tmp/victor-test-XXXXXX");
	assert_non_null(mkdtemp(c.state));
	snprintf(path, sizeof(path), "%s/registration.key", c.state);
	assert_int_equal(registration_key_load(&c, &key, &why), 0);
	assert_true(key.can_sign);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	assert_int_equal(registration_key_load(&c, &again, &why), 0);
	assert_memory_equal(&key, &again, sizeof(key));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(registration_key_load(&c, &again, &why), -EACCES);
	assert_int_equal(chmod(path, 0600), 0);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("ed25519-public:AAAA\n", f);
	fclose(f);
	assert_int_equal(registration_key_load(&c, &again, &why), -EINVAL);
	assert_null(strstr(why.text, "AAAA"));
	assert_int_equal(unlink(path), 0);
	/* One that the config names is not made. */
	strcpy(c.registration_key, path);
	assert_int_equal(registration_key_load(&c, &again, &why), -ENOENT);
	assert_int_equal(rmdir(c.state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prefix_says_who_must_sign),
		cmocka_unit_test(our_own_key_is_made_once_and_nobody_elses_to_read),
		cmocka_unit_test(a_whole_file_is_understood),
		cmocka_unit_test(a_node_is_mobile_unless_it_has_elements),
		cmocka_unit_test(lines_of_items_are_known),
		cmocka_unit_test(tunnels_are_read_for_all_and_for_pairs),
		cmocka_unit_test(little_is_needed),
		cmocka_unit_test(a_switch_is_declared_with_its_ports),
		cmocka_unit_test(networks_and_exits_are_read),
		cmocka_unit_test(each_refusal_names_its_line),
		cmocka_unit_test(without_insecure_only_private_endpoints_are_taken),
		cmocka_unit_test(tls_needs_its_files),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
