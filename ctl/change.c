/* The commands that change something: nodes and moves. */
#include "ctl/ctl.h"

#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sends and prints: with --json the answer, else nothing. */
static int send_change(struct ctl *ctl, const char *method, const char *pattern,
		       struct json_object *body)
{
	struct json_object *answer = NULL;
	struct reason why = {""};
	char *path = client_path(pattern, ctl->arguments);
	int result = client_request(ctl->client, method, path,
				    body ? json_object_to_json_string(body) : NULL, &answer, &why);

	free(path);
	json_object_put(body);
	if (result < 0)
		return complain(&why);
	if (ctl->json && answer)
		print_json(answer);
	json_object_put(answer);
	return EXIT_SUCCESS;
}

static void add_list(struct json_object *to, const char *key, const char *const *texts,
		     unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(texts[i]));
	json_object_object_add(to, key, list);
}

/* -1 and a complaint for what is no number. */
static int add_number(struct json_object *to, const char *key, const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end || number < 0) {
		fprintf(stderr, "victorctl: --%s '%s' is no number\n", key, text);
		json_object_put(to);
		return -1;
	}
	json_object_object_add(to, key, json_object_new_int64(number));
	return 0;
}

static void add_allow(const struct ctl *ctl, struct json_object *body)
{
	static const char *const keys[ALLOW_KINDS] = {
		[ALLOW_PORTS] = "ports", [ALLOW_SITES] = "sites", [ALLOW_LABELS] = "labels"};
	struct json_object *allow = json_object_new_object();

	if (ctl->allow_count[ALLOW_LABEL])
		add_list(body, "labels", ctl->allow[ALLOW_LABEL], ctl->allow_count[ALLOW_LABEL]);
	for (unsigned i = ALLOW_PORTS; i < ALLOW_KINDS; i++)
		if (ctl->allow_count[i])
			add_list(allow, keys[i], ctl->allow[i], ctl->allow_count[i]);
	json_object_object_add(body, "allow", allow);
}

static int node_add(struct ctl *ctl)
{
	struct json_object *body = json_object_new_object();

	if (!ctl->address_count) {
		fputs("victorctl: a node needs at least one --address\n", stderr);
		json_object_put(body);
		return EXIT_USAGE;
	}
	add_list(body, "addresses", ctl->addresses, ctl->address_count);
	if (ctl->mac)
		json_object_object_add(body, "mac", json_object_new_string(ctl->mac));
	if (ctl->element_count)
		add_list(body, "elements", ctl->elements, ctl->element_count);
	add_allow(ctl, body);
	if (ctl->vrf && add_number(body, "vrf", ctl->vrf) < 0)
		return EXIT_USAGE;
	return send_change(ctl, "PUT", "/v1/nodes/{}", body);
}

static int node_remove(struct ctl *ctl)
{
	return send_change(ctl, "DELETE", "/v1/nodes/{}", NULL);
}

static int node_detach(struct ctl *ctl)
{
	return send_change(ctl, "DELETE", "/v1/nodes/{}/attachment", NULL);
}

static int move(struct ctl *ctl)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "element", json_object_new_string(ctl->arguments[1]));
	json_object_object_add(body, "port", json_object_new_string(ctl->arguments[2]));
	if (ctl->vlan && add_number(body, "vlan", ctl->vlan) < 0)
		return EXIT_USAGE;
	return send_change(ctl, "POST", "/v1/nodes/{}/move", body);
}

static int move_confirm(struct ctl *ctl)
{
	return send_change(ctl, "POST", "/v1/nodes/{}/move/confirm", NULL);
}

static int move_revert(struct ctl *ctl)
{
	return send_change(ctl, "DELETE", "/v1/nodes/{}/move", NULL);
}

const struct command change_commands[] = {
	{"node add",
	 "ID --address A [--address B] [--mac M] [--element FE] [--vrf N] [--label L]\n"
	 "       [--allow-port P] [--allow-site S] [--allow-label L]",
	 "make a node known, or change it",
	 "      --address A  an address of the node; again for each further one\n"
	 "      --mac M      its MAC address; without it, the first that announces the address\n"
	 "      --element FE it is fixed to this element; again for each further one.  Without it\n"
	 "                   the node is mobile\n"
	 "      --vrf N      its VRF (0)\n"
	 "      --label L    a label of the node's, such as tenant=red; again for further ones\n"
	 "      --allow-port P, --allow-site S, --allow-label L\n"
	 "                   it may only be at such ports (a name, with * and ?), sites, or sites\n"
	 "                   with such a label; again for further ones of a kind\n"
	 "When the command returns, the node is in the controller's durable store.\n",
	 1, 1, TAKES_ADDRESS | TAKES_MAC | TAKES_ELEMENT | TAKES_VRF | TAKES_ALLOW, node_add},
	{"node remove", "ID", "forget a node", "Its traffic is dropped from then on.\n", 1, 1, 0,
	 node_remove},
	{"node detach", "ID", "forget where a node is, until it announces itself again", "", 1, 1,
	 0, node_detach},
	{"move confirm", "NODE", "make a tentative move final", "", 1, 1, 0, move_confirm},
	{"move revert", "NODE", "undo a tentative move", "", 1, 1, 0, move_revert},
	{"move", "NODE FE PORT [--vlan N]", "move a node tentatively",
	 "Traffic for NODE goes to PORT (a name, see 'victorctl show ports FE') of FE at once.  "
	 "Its\n"
	 "own announcement there or 'move confirm' makes the move final; 'move revert' or the\n"
	 "controller's timeout undoes it.\n"
	 "      --vlan N     behind this VLAN of a trunk port\n",
	 3, 3, TAKES_VLAN, move},
	{0},
};
