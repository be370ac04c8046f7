/* The commands that look: each is one GET and one table. */
#include "ctl/ctl.h"

#include "base/address.h"
#include "base/memory.h"
#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int complain(const struct reason *why)
{
	fprintf(stderr, "victorctl: %s\n", why->text);
	return EXIT_FAILURE;
}

struct json_object *ctl_get(struct ctl *ctl, const char *pattern)
{
	struct json_object *answer = NULL;
	struct reason why = {""};
	char *path = client_path(pattern, ctl->arguments);
	int result = client_request(ctl->client, "GET", path, NULL, &answer, &why);

	free(path);
	if (result < 0) {
		complain(&why);
		return NULL;
	}
	return answer;
}

/* ---- cells ---- */

static void write_up(struct json_object *row, char cell[CELL_SIZE])
{
	snprintf(cell, CELL_SIZE, "%s",
		 json_object_get_boolean(print_find(row, "up")) ? "up" : "down");
}

static void write_mobile(struct json_object *row, char cell[CELL_SIZE])
{
	snprintf(cell, CELL_SIZE, "%s",
		 json_object_get_boolean(print_find(row, "mobile")) ? "mobile" : "fixed");
}

/* A port's name, or its number where the name is not known, of the place under 'key'. */
static void write_port_of(struct json_object *place, char cell[CELL_SIZE])
{
	long long number = json_object_get_int64(print_find(place, "port"));

	if (print_text(place, "port_name")[0])
		snprintf(cell, CELL_SIZE, "%s", print_text(place, "port_name"));
	else if (number)
		snprintf(cell, CELL_SIZE, "%lld", number);
	else
		cell[0] = '\0';
}

static void write_port(struct json_object *row, char cell[CELL_SIZE])
{
	write_port_of(row, cell);
}

/* Where it may attach: elements, then what else its 'allow' says. */
static void write_allowed(struct json_object *row, char cell[CELL_SIZE])
{
	static const char *const kinds[] = {"elements", "ports", "sites", "labels"};
	static const char *const words[] = {"", "port:", "site:", "label:"};
	size_t used = 0;

	cell[0] = '\0';
	for (unsigned k = 0; k < COUNT(kinds); k++) {
		struct json_object *list = print_find(k ? print_find(row, "allow") : row, kinds[k]);
		size_t count = list ? json_object_array_length(list) : 0;

		for (size_t i = 0; i < count && used < CELL_SIZE; i++)
			used += (size_t)snprintf(
				cell + used, CELL_SIZE - used, "%s%s%s", used ? "," : "", words[k],
				json_object_get_string(json_object_array_get_idx(list, i)));
	}
}

static void write_node_port(struct json_object *row, char cell[CELL_SIZE])
{
	write_port_of(print_find(row, "attachment"), cell);
}

static void write_previous(struct json_object *row, char cell[CELL_SIZE])
{
	struct json_object *previous = print_find(row, "previous");
	char port[CELL_SIZE];

	cell[0] = '\0';
	if (!previous)
		return;
	write_port_of(previous, port);
	snprintf(cell, CELL_SIZE, "%s%s%.60s", print_text(previous, "element"), port[0] ? ":" : "",
		 port);
}

/* ---- lists ---- */

static int show_status(struct ctl *ctl)
{
	struct json_object *answer = ctl_get(ctl, "/v1/status");
	char cell[CELL_SIZE];

	if (!answer)
		return EXIT_FAILURE;
	if (ctl->json) {
		print_json(answer);
	} else {
		json_object_object_foreach(answer, key, value)
		{
			print_value(value, cell);
			printf("%-16s %s\n", key, cell);
		}
	}
	json_object_put(answer);
	return EXIT_SUCCESS;
}

/* What an element that is no victor-fe has to do without. */
static void print_cannot(struct json_object *element)
{
	struct json_object *cannot = print_find(element, "cannot");
	size_t count = cannot ? json_object_array_length(cannot) : 0;

	for (size_t i = 0; i < count; i++) {
		const char *what = json_object_get_string(json_object_array_get_idx(cannot, i));

		if (i == 0)
			printf("%s cannot: %s", print_text(element, "name"), what);
		else
			printf(", %s", what);
	}
	if (count)
		putchar('\n');
}

static int show_elements(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"ELEMENT", "name"},
		{"ID", "id", true},
		{"KIND", "kind"},
		{"STATE", "state"},
		{"SOFTWARE", "software"},
		{"BACKPLANE", "backplane"},
		{"IPV6", "backplane6"},
		{"TUNNELS", "encapsulations"},
		{"BORDER", "border"},
		{"WAY-OUT", "way_out"},
		{"PORTS", "ports", true},
		{"RULES", "rules", true},
		{"LIMIT", "binding_limit", true},
		{"FULL", "full"},
		{"DRAINING", "draining"},
		{"FLOW-MODS", "flow_mods", true},
		{"SINCE", "since"},
	};

	struct json_object *answer = ctl_get(ctl, "/v1/elements");
	struct json_object *list;

	if (!answer)
		return EXIT_FAILURE;
	list = print_find(answer, "elements");
	if (ctl->json)
		print_json(answer);
	else
		print_table(list, columns, COUNT(columns),
			    "No forwarding element has connected yet.");
	for (size_t i = 0; !ctl->json && i < json_object_array_length(list); i++)
		print_cannot(json_object_array_get_idx(list, i));
	json_object_put(answer);
	return EXIT_SUCCESS;
}

static int show_ports(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"PORT", "number", true},       {"NAME", "name"},         {"ROLE", "role"},
		{"STATE", "", false, write_up}, {"MTU", "mtu", true},     {"TRUNK", "trunk"},
		{"SEGMENT", "segment", true},   {"IDENTITY", "identity"},
	};

	return ctl_list(ctl, "/v1/elements/{}/ports", "ports", columns, COUNT(columns),
			"No ports.");
}

static int show_prefixes(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"PREFIX", "prefix"}, {"VRF", "vrf", true},   {"KIND", "", false, write_mobile},
		{"MODE", "mode"},     {"GATEWAY", "gateway"}, {"ELEMENTS", "elements"},
		{"EXITS", "exits"},
	};

	return ctl_list(ctl, "/v1/prefixes", "prefixes", columns, COUNT(columns),
			"No prefixes are configured.");
}

static void write_exit(struct json_object *row, char cell[CELL_SIZE])
{
	const char *exit = json_object_get_string(print_find(row, "exit"));
	const char *element = json_object_get_string(print_find(row, "element"));

	snprintf(cell, CELL_SIZE, "%s",
		 !exit                                   ? "dropped: no_exit"
		 : element && strcmp(exit, element) == 0 ? "here"
							 : exit);
}

static int show_exits(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"PREFIX", "prefix"},       {"VRF", "vrf", true},
		{"ELEMENT", "element"},     {"LEAVES BY", "", false, write_exit},
		{"ANNOUNCED", "announced"},
	};

	return ctl_list(ctl, "/v1/exits", "exits", columns, COUNT(columns),
			"No prefix has exits of its own: all leave by the nearest border element.");
}

static int show_nodes(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"NODE", "id"},
		{"ADDRESSES", "addresses"},
		{"MAC", "mac"},
		{"KIND", "", false, write_mobile},
		{"ALLOWED", "", false, write_allowed},
		{"LABELS", "labels"},
		{"ELEMENT", "attachment.element"},
		{"PORT", "", false, write_node_port},
		{"STATE", "attachment.state"},
		{"SOURCE", "source"},
	};

	return ctl_list_all(ctl, "/v1/nodes", "nodes", columns, COUNT(columns),
			    "No nodes. Add one: victorctl node add ID --address A --mac M");
}

static int show_attachments(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"NODE", "node"},         {"ADDRESSES", "addresses"},
		{"ELEMENT", "element"},   {"PORT", "", false, write_port},
		{"VLAN", "vlan", true},   {"MAC", "mac"},
		{"STATE", "state"},       {"VERSION", "version", true},
		{"MOVES", "moves", true}, {"PREVIOUS", "", false, write_previous},
		{"PROBLEM", "problem"},   {"SINCE", "since"},
	};

	return ctl_list_all(ctl, "/v1/attachments", "attachments", columns, COUNT(columns),
			    "No node is attached anywhere.");
}

/* ---- forwarding: the paper's Table 1 ---- */

static bool is_kind(struct json_object *rule, const char *kind)
{
	return strcmp(print_text(rule, "kind"), kind) == 0;
}

static void write_paper_flow(struct json_object *row, char cell[CELL_SIZE])
{
	const char *address = print_text(row, "address");

	snprintf(cell, CELL_SIZE, "%s=%s", strchr(address, ':') ? "ipv6_dst" : "nw_dst", address);
}

/* In the paper port 0 is the way to the other FEs, and the MAC's value is not shown. */
static void write_paper_action(struct json_object *row, char cell[CELL_SIZE])
{
	if (is_kind(row, "foreign"))
		snprintf(cell, CELL_SIZE, "out:0");
	else
		snprintf(cell, CELL_SIZE, "mod_dl_dst,out:%s",
			 json_object_get_string(print_find(row, "port")));
}

static void write_towards(struct json_object *row, char cell[CELL_SIZE])
{
	long long vlan = json_object_get_int64(print_find(row, "vlan"));
	char port[CELL_SIZE], tag[24] = "";

	if (is_kind(row, "foreign")) {
		if (print_text(row, "towards")[0])
			snprintf(cell, CELL_SIZE, "%s", print_text(row, "towards"));
		else
			snprintf(cell, CELL_SIZE, "element %s",
				 json_object_get_string(print_find(row, "towards_id")));
		return;
	}
	write_port_of(row, port);
	if (vlan)
		snprintf(tag, sizeof(tag), " vlan %lld", vlan);
	snprintf(cell, CELL_SIZE, "%.64s%s %s", port, tag, print_text(row, "mac"));
}

static int compare_bindings(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;
	struct address addresses[2] = {{{0}}};
	int order = is_kind(*left, "foreign") - is_kind(*right, "foreign");

	if (order)
		return order;
	order = (int)json_object_get_int64(print_find(*left, "vrf")) -
		(int)json_object_get_int64(print_find(*right, "vrf"));
	if (order || address_parse(print_text(*left, "address"), &addresses[0]) < 0 ||
	    address_parse(print_text(*right, "address"), &addresses[1]) < 0)
		return order;
	return address_compare(&addresses[0], &addresses[1]);
}

/* The local and foreign bindings among the rules, local ones first, by address. */
static struct json_object *pick_bindings(struct json_object *rules, bool *ret_has_vrf)
{
	struct json_object *list = json_object_new_array();

	*ret_has_vrf = false;
	for (size_t i = 0; rules && i < json_object_array_length(rules); i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i);

		if (!is_kind(rule, "local") && !is_kind(rule, "foreign"))
			continue;
		*ret_has_vrf |= json_object_get_int64(print_find(rule, "vrf")) != 0;
		json_object_array_add(list, json_object_get(rule));
	}
	json_object_array_sort(list, compare_bindings);
	return list;
}

static void print_paper_json(struct json_object *answer, struct json_object *bindings)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	char cell[CELL_SIZE];

	for (size_t i = 0; i < json_object_array_length(bindings); i++) {
		struct json_object *binding = json_object_array_get_idx(bindings, i);
		struct json_object *row = json_object_new_object();

		write_paper_flow(binding, cell);
		json_object_object_add(row, "flow", json_object_new_string(cell));
		write_paper_action(binding, cell);
		json_object_object_add(row, "action", json_object_new_string(cell));
		write_towards(binding, cell);
		json_object_object_add(row, "towards", json_object_new_string(cell));
		json_object_object_add(row, "vrf", json_object_get(print_find(binding, "vrf")));
		json_object_array_add(list, row);
	}
	json_object_object_add(o, "element", json_object_get(print_find(answer, "element")));
	json_object_object_add(o, "forwarding", list);
	print_json(o);
	json_object_put(o);
}

static void print_bindings(struct ctl *ctl, struct json_object *answer)
{
	static const struct column columns[] = {
		{"Flow", "", false, write_paper_flow},
		{"Action", "", false, write_paper_action},
		{"Towards", "", false, write_towards},
		{"VRF", "vrf", true},
	};
	bool has_vrf;
	struct json_object *bindings = pick_bindings(print_find(answer, "rules"), &has_vrf);

	if (ctl->json)
		print_paper_json(answer, bindings);
	else
		print_table(bindings, columns, COUNT(columns) - !has_vrf,
			    "No bindings: no node is attached anywhere.");
	json_object_put(bindings);
}

static int show_forwarding(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"TABLE", "table_name"},
		{"PRIORITY", "priority", true},
		{"KIND", "kind"},
		{"FLOW", "flow"},
		{"ACTION", "action"},
		{"TOWARDS", "towards"},
		{"VERSION", "version", true},
		{"PACKETS", "packets", true},
		{"BYTES", "bytes", true},
	};

	if (ctl->all)
		return ctl_list(ctl, "/v1/elements/{}/forwarding", "rules", columns, COUNT(columns),
				"No rules.");
	struct json_object *answer = ctl_get(ctl, "/v1/elements/{}/forwarding");

	if (!answer)
		return EXIT_FAILURE;
	print_bindings(ctl, answer);
	json_object_put(answer);
	return EXIT_SUCCESS;
}

/* ---- counters ---- */

static void print_counters(struct json_object *answer)
{
	static const struct column counters[] = {
		{"INGRESS", "ingress"},       {"NODE", "node"},         {"ADDRESS", "address"},
		{"PACKETS", "packets", true}, {"BYTES", "bytes", true},
	};
	static const struct column drops[] = {
		{"DROPPED", "reason"},
		{"PACKETS", "packets", true},
	};
	static const struct column ports[] = {
		{"PORT", "port"},
		{"NAME", "port_name"},
		{"MET", "what"},
		{"PACKETS", "packets", true},
	};
	static const struct column others[] = {
		{"OTHERWISE", "what"},
		{"PACKETS", "packets", true},
	};

	print_table(print_find(answer, "counters"), counters, COUNT(counters),
		    "No packets to nodes yet.");
	puts("");
	print_table(print_find(answer, "drops"), drops, COUNT(drops), "Nothing dropped.");
	puts("");
	print_table(print_find(answer, "ports"), ports, COUNT(ports),
		    "Nothing of access ports refused or handed up.");
	puts("");
	print_table(print_find(answer, "others"), others, COUNT(others), "Nothing else counted.");
}

/* The counters of one element; the caller puts them. */
static struct json_object *get_counters(struct ctl *ctl, const char *element)
{
	ctl->arguments[0] = element;
	ctl->arguments[1] = NULL;
	return ctl_get(ctl, "/v1/elements/{}/counters");
}

static int show_all_counters(struct ctl *ctl)
{
	struct json_object *answer = ctl_get(ctl, "/v1/elements");
	struct json_object *elements = print_find(answer, "elements");
	struct json_object *all = json_object_new_array();
	int status = answer ? EXIT_SUCCESS : EXIT_FAILURE;

	for (size_t i = 0; elements && i < json_object_array_length(elements); i++) {
		struct json_object *e = json_object_array_get_idx(elements, i);
		struct json_object *counters = NULL;

		if (strcmp(print_text(e, "state"), "offline") != 0)
			counters = get_counters(ctl, print_text(e, "name"));
		if (!counters) {
			status = EXIT_FAILURE;
			continue;
		}
		if (!ctl->json) {
			printf("%s%s\n", i ? "\n" : "", print_text(e, "name"));
			print_counters(counters);
		}
		json_object_array_add(all, counters);
	}
	if (ctl->json && answer)
		print_json(all);
	json_object_put(all);
	json_object_put(answer);
	return status;
}

static int show_counters(struct ctl *ctl)
{
	if (!ctl->argument_count)
		return show_all_counters(ctl);
	struct json_object *answer = get_counters(ctl, ctl->arguments[0]);

	if (!answer)
		return EXIT_FAILURE;
	if (ctl->json)
		print_json(answer);
	else
		print_counters(answer);
	json_object_put(answer);
	return EXIT_SUCCESS;
}

/* ---- trace ---- */

static int trace(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"ELEMENT", "element"}, {"TABLE", "table_name"}, {"FLOW", "flow"},
		{"ACTION", "action"},   {"REASON", "reason"},
	};
	const char *arguments[5] = {ctl->arguments[0], ctl->arguments[1]};
	unsigned count = 2;
	char *pattern = memory_format("/v1/trace?source={}&destination={}%s%s",
				      ctl->at ? "&element={}" : "", ctl->vrf ? "&vrf={}" : "");

	if (ctl->at)
		arguments[count++] = ctl->at;
	if (ctl->vrf)
		arguments[count++] = ctl->vrf;
	memcpy(ctl->arguments, arguments, sizeof(ctl->arguments));
	struct json_object *answer = ctl_get(ctl, pattern);

	free(pattern);
	if (!answer)
		return EXIT_FAILURE;
	if (ctl->json) {
		print_json(answer);
	} else {
		print_table(print_find(answer, "steps"), columns, COUNT(columns), "No steps.");
		printf("\nVerdict: %s\n", print_text(answer, "verdict"));
	}
	json_object_put(answer);
	return EXIT_SUCCESS;
}

const struct command show_commands[] = {
	{"show status", "", "the controller itself", "", 0, 0, 0, show_status},
	{"show elements", "", "the forwarding elements and their state",
	 "FLOW-MODS counts what was sent to the element since it connected.\n", 0, 0, 0,
	 show_elements},
	{"show ports", "FE", "an element's ports",
	 "IDENTITY is whose port the host attests it to be; empty: shared.\n", 1, 1, 0, show_ports},
	{"show links", "", "the backplane links: state, delay, and use of what is guaranteed",
	 "USE is what the two ends send, against the guaranteed bandwidth where one is "
	 "configured.\n",
	 0, 0, 0, show_links},
	{"show paths", "FROM [TO]", "the elements that packets pass from one element to others",
	 "KIND: first, and second while the first link is down; equal ones share the flows;\n"
	 "straight: by the underlay's routes.\n",
	 1, 2, 0, show_paths},
	{"show prefixes", "", "the prefixes that VICTOR covers", "", 0, 0, 0, show_prefixes},
	{"show exits", "", "by which element each prefix's packets leave VICTOR",
	 "Only of prefixes that have 'exits' in the configuration.  ANNOUNCED: the element tells\n"
	 "routers outside of the prefix.\n",
	 0, 0, 0, show_exits},
	{"show nodes", "", "the nodes, and where each is",
	 "ALLOWED says where it may attach; empty: anywhere.  SOURCE says who made it\n"
	 "known: the configuration, the API (victorctl node add), or itself (learned; claimed: in "
	 "a\n"
	 "first-come prefix).\n",
	 0, 0, 0, show_nodes},
	{"show attachments", "", "where each node is, with version and state",
	 "States: active; prepared (a tentative move, PREVIOUS is where it returns to); probing "
	 "(an\n"
	 "ambiguous claim is being settled); down (its port lost carrier); provisional (learnt\n"
	 "from an element's table, not confirmed).\n",
	 0, 0, 0, show_attachments},
	{"show forwarding", "FE [--all]", "an element's live forwarding table",
	 "As Table 1 of the paper: 'mod_dl_dst,out:N' rewrites the MAC address and sends out of\n"
	 "port N; 'out:0' sends over the backplane.  Towards names the port and the MAC, or the\n"
	 "element.\n"
	 "      --all        every rule of every table, with packets and bytes\n",
	 1, 1, TAKES_ALL, show_forwarding},
	{"show counters", "[FE]", "live packets by (ingress element, node), drops, answers sent",
	 "Without FE, those of all elements that are online.  Behind the drops comes what each "
	 "access\n"
	 "port's frames met (the guard's refusals, upcalls and what was over the port's share), "
	 "then\n"
	 "what else an\n"
	 "element counts: ICMP errors and router advertisements sent, path MTUs lowered, and so "
	 "on.\n",
	 0, 1, 0, show_counters},
	{"trace", "SOURCE DESTINATION [--at FE] [--vrf N]",
	 "a packet's way through the tables, with the reason at each step",
	 "SOURCE and DESTINATION are addresses.  Without --at the packet enters where the source "
	 "is\n"
	 "attached, else at a border element.\n"
	 "      --at FE      the element where it enters\n"
	 "      --vrf N      in this VRF (0)\n",
	 2, 2, TAKES_AT | TAKES_VRF, trace},
	{0},
};
