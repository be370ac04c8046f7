/* What victorctl imports: read strictly, refused with a line, printed so that it is read again. */
#include "ctl/inventory_file.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void refuse(const char *text, const char *said)
{
	struct inventory_file f;
	struct reason why = {""};

	assert_true(inventory_file_parse("file", text, strlen(text), &f, &why) < 0);
	if (!strstr(why.text, said))
		fail_msg("'%s' does not say '%s'", why.text, said);
}

static struct inventory_file parse(const char *text)
{
	struct inventory_file f;
	struct reason why = {""};

	if (inventory_file_parse("file", text, strlen(text), &f, &why) < 0)
		fail_msg("%s", why.text);
	return f;
}

static void a_node_is_read_as_the_api_has_it(void **state)
{
	struct inventory_file f = parse("nodes:\n"
					"  - { id: vm1, mac: \"52:54:00:00:00:0A\","
					" addresses: [ 10.10.0.11, 2001:DB8::0:11 ] }\n"
					"drained: [ FE2 ]\n");

	assert_int_equal(f.node_count, 1);
	assert_int_equal(f.nodes[0].line, 2);
	assert_string_equal(
		json_object_to_json_string_ext(f.nodes[0].body, JSON_C_TO_STRING_PLAIN),
		"{\"vrf\":0,\"mobile\":true,\"labels\":[],\"allow\":"
		"{\"ports\":[],\"sites\":[],\"labels\":[]},\"mac\":\"52:54:00:00:00:0a\","
		"\"addresses\":[\"10.10.0.11\",\"2001:db8::11\"],\"elements\":[]}");
	assert_string_equal(f.drained[0].id, "FE2");
	inventory_file_finish(&f);
}

static void a_node_with_elements_is_fixed_unless_it_says_otherwise(void **state)
{
	struct inventory_file f = parse("nodes:\n"
					"- { id: a, addresses: [ 10.0.0.1 ], elements: [ fe1 ] }\n"
					"- { id: b, addresses: [ 10.0.0.2 ], elements: [ fe1 ],"
					" mobile: true, vrf: 7 }\n");
	struct json_object *mobile;

	assert_true(json_object_object_get_ex(f.nodes[0].body, "mobile", &mobile));
	assert_false(json_object_get_boolean(mobile));
	assert_true(json_object_object_get_ex(f.nodes[1].body, "mobile", &mobile));
	assert_true(json_object_get_boolean(mobile));
	inventory_file_finish(&f);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
	refuse("nodes:\n- { id: a, addresses: [ 10.0.0.1 ] }\n- { id: b, addresses: [ ten ] }\n",
	       "file:3: node 'b': 'ten' is no address");
	refuse("nodes:\n- id: a\n  addresses: [ 10.0.0.1 ]\n  mac: x\n", "file:2: node 'a': 'x'");
	refuse("nodes:\n- { id: a b, addresses: [ 10.0.0.1 ] }\n", "file:2: 'a b' is no name");
	refuse("nodes:\n- { id: a, addresses: [ 10.0.0.1 ], elements: [ \"../x\" ] }\n",
	       "file:2: '../x' is no name");
	refuse("nodes:\n- { id: a, addresses: [ 10.0.0.1 ], vrf: 8388608 }\n",
	       "file:2: node 'a': vrf");
	refuse("nodes:\n- { id: a, addresses: [ ] }\n", "file:2");
	refuse("nodes:\n- { id: a, addresses: [ 1.1.1.1 ] }\n\n- { id: a, addresses: [ 1.1.1.2 ] "
	       "}\n",
	       "file:4: 'a' is in line 2 already");
	refuse("drained:\n- fe1\n- fe1\n", "file:3: 'fe1' is in line 2 already");
	refuse("nodes: []\nsecrets: []\n", "file:2");
	refuse("nodes:\n- { id: a, addresses: [ 10.0.0.1 ], color: red }\n", "file:2");
	refuse("devices:\n- { node: a, key: \"blake2b:{}\" }\n", "file:2: node 'a': its key");
	refuse("devices:\n- { node: a, mac: x }\n", "file:2: node 'a': 'x'");
	refuse("devices:\n- { name: a }\n", "file:2");
	refuse("nodes: [\n", "file:");
	refuse("\0\1\2", "file");
}

static void what_is_printed_is_read_again_the_same(void **state)
{
	struct json_object *nodes = json_tokener_parse(
		"[{\"id\":\"vm1\",\"vrf\":3,\"mac\":null,\"addresses\":[\"10.0.0.1\"],"
		"\"mobile\":false,\"elements\":[\"fe1\",\"fe2\"],\"source\":\"api\","
		"\"labels\":[\"tenant=red\",\"web\"],\"allow\":{\"ports\":[\"tap*\",\"srv?\"],"
		"\"sites\":[\"east\"],\"labels\":[]}},"
		"{\"id\":\"cfg\",\"vrf\":0,\"mac\":null,\"addresses\":[\"10.0.0.2\"],"
		"\"mobile\":true,\"elements\":[],\"source\":\"config\"},"
		"{\"id\":\"null\",\"vrf\":0,\"mac\":\"52:54:00:00:00:01\",\"addresses\":"
		"[\"2001:db8::1\"],\"mobile\":true,\"elements\":[],\"source\":\"api\","
		"\"labels\":[],\"allow\":{\"ports\":[],\"sites\":[],\"labels\":[]}}]");
	struct json_object *drained = json_tokener_parse("[\"fe2\"]");
	struct json_object *devices = json_tokener_parse(
		"[{\"node\":\"cfg\",\"name\":\"tv\",\"mac\":\"52:54:00:00:00:77\","
		"\"algorithm\":\"blake2b\",\"key\":\"blake2b:AAEC/+8=\"},"
		"{\"node\":\"vm1\",\"name\":\"\",\"mac\":null,\"key\":null}]");
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	inventory_file_print(to, nodes, devices, drained);
	fclose(to);
	struct inventory_file f = parse(text);

	assert_int_equal(f.node_count, 2); /* the configuration's own is in the configuration */
	assert_string_equal(f.nodes[1].id, "null");
	assert_int_equal(f.drained_count, 1);
	assert_int_equal(f.device_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		struct json_object *was = json_object_array_get_idx(devices, i), *node, *other;

		assert_true(json_object_object_get_ex(was, "node", &node));
		assert_string_equal(f.devices[i].id, json_object_get_string(node));
		json_object_object_foreach(f.devices[i].body, key, value)
		{
			other = NULL;
			(void)json_object_object_get_ex(was, key, &other);
			assert_true(json_object_equal(other, value));
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		json_object_object_foreach(f.nodes[i].body, key, value)
		{
			struct json_object *was = NULL;

			assert_true(json_object_object_get_ex(
				json_object_array_get_idx(nodes, i ? 2 : 0), key, &was));
			assert_true(json_object_equal(was, value));
		}
	}
	inventory_file_finish(&f);
	json_object_put(nodes);
	json_object_put(devices);
	json_object_put(drained);
	free(text);
}

static void nothing_is_printed_as_nothing(void **state)
{
	struct json_object *none = json_object_new_array();
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	inventory_file_print(to, none, none, none);
	fclose(to);
	assert_string_equal(text, "nodes: []\ndrained: []\n");
	struct inventory_file f = parse(text);

	assert_int_equal(f.node_count + f.drained_count, 0);
	inventory_file_finish(&f);
	json_object_put(none);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_is_read_as_the_api_has_it),
		cmocka_unit_test(a_node_with_elements_is_fixed_unless_it_says_otherwise),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
		cmocka_unit_test(what_is_printed_is_read_again_the_same),
		cmocka_unit_test(nothing_is_printed_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
