/* Devices of nodes and their keys, and who is registered.  A secret is given out only by a path of
 * its own, to administrators, for an export, and is in no error and no log. */
#include "controller/io/clock.h"
#include "controller/io/northbound_body.h"
#include "controller/io/northbound_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("northbound");

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *view_device(const struct device *d, bool secrets)
{
	struct json_object *o = json_object_new_object();
	char mac[MAC_TEXT_SIZE], key[SIGN_KEY_TEXT_SIZE];
	bool is_secret = d->key.algorithm != REGISTRATION_ED25519;

	add_text(o, "node", d->node);
	add_text(o, "name", d->name);
	add_text(o, "mac", mac_is_zero(&d->mac) ? NULL : mac_format(&d->mac, mac));
	add_text(o, "algorithm", is_secret ? "blake2b" : "ed25519");
	add_text(o, "key", secrets || !is_secret ? sign_key_format(&d->key, key) : NULL);
	sign_wipe(key, sizeof(key));
	return o;
}

static struct json_object *list_of(const struct call *c, struct json_object *list, const char *node,
				   bool secrets)
{
	const struct devices *devices = core_devices(c->nb->core);
	const struct device *d;

	for (unsigned i = 0; (d = devices_at(devices, node, i)); i++)
		json_object_array_add(list, view_device(d, secrets));
	return list;
}

static struct json_object *wrap(const char *key, struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, list);
	return o;
}

static bool take_node(struct call *c)
{
	if (inventory_node(core_inventory(c->nb->core), c->argument))
		return true;
	call_refuse_with(c, 404, "no node '%s'; see /v1/nodes", c->argument);
	return false;
}

void call_get_devices(struct call *c)
{
	if (take_node(c))
		call_answer(
			c, 200,
			wrap("devices", list_of(c, json_object_new_array(), c->argument, false)));
}

struct collecting {
	struct call *call;
	struct json_object *list;
	bool secrets;
};

static void collect_devices(void *to, const struct node *n)
{
	struct collecting *l = to;

	(void)list_of(l->call, l->list, n->id, l->secrets);
}

static void answer_all(struct call *c, bool secrets)
{
	struct collecting l = {c, json_object_new_array(), secrets};

	core_nodes(c->nb->core, collect_devices, &l);
	call_answer(c, 200, wrap("devices", l.list));
}

void call_get_all_devices(struct call *c)
{
	answer_all(c, false);
}

void call_get_secrets(struct call *c)
{
	answer_all(c, true);
}

/* ---- changing them ---- */

static bool is_listed(const struct device *list, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

/* Makes the node's devices these.  On an error some may be changed already. */
static int set_devices(struct core *core, const char *node, const struct device *list,
		       unsigned count, struct reason *why)
{
	const struct device *d;
	int result = 0;
	unsigned at = 0;

	while ((d = devices_at(core_devices(core), node, at))) {
		char name[NAME_SIZE];

		strcpy(name, d->name);
		if (is_listed(list, count, name))
			at++;
		else if (core_remove_device(core, node, name, clock_now_ms(), why) < 0)
			break;
	}
	for (unsigned i = 0; i < count && result == 0; i++)
		result = core_put_device(core, &list[i], clock_now_ms(), why);
	return result;
}

static void remember(struct call *c)
{
	const struct device *d;

	c->devices = memory_alloc_array(NODE_DEVICES_MAX, sizeof(*c->devices));
	for (c->device_count = 0;
	     (d = devices_at(core_devices(c->nb->core), c->argument, c->device_count));
	     c->device_count++)
		c->devices[c->device_count] = *d;
}

static void forget_remembered(struct call *c)
{
	sign_wipe(c->devices, NODE_DEVICES_MAX * sizeof(*c->devices));
	free(c->devices);
	c->devices = NULL;
}

static void undo(struct call *c)
{
	struct reason why;

	if (set_devices(c->nb->core, c->argument, c->devices, c->device_count, &why) < 0)
		log_error("node %s: its devices are not as they were: %s", c->argument, why.text);
}

static void on_kept(void *to, int result, const char *error)
{
	struct call *c = to;

	if (result < 0)
		undo(c);
	forget_remembered(c);
	if (result < 0)
		call_refuse_with(c, 500, "the change was undone, the store did not take it: %s",
				 error);
	else
		call_answer(
			c, 200,
			wrap("devices", list_of(c, json_object_new_array(), c->argument, false)));
}

/* Where the body names no key, it is the one that the device has. */
static int fill_keys(const struct call *c, struct device *list, unsigned count, struct reason *why)
{
	for (unsigned i = 0; i < count; i++) {
		const struct device *d =
			devices_find(core_devices(c->nb->core), c->argument, list[i].name);

		if (list[i].key.algorithm)
			continue;
		if (!d)
			return reason_set(why, -EINVAL, "device '%s' is new: it needs a 'key'",
					  list[i].name);
		list[i].key = d->key;
	}
	return 0;
}

void call_put_devices(struct call *c)
{
	struct device list[NODE_DEVICES_MAX];
	struct reason why = {""};
	unsigned count;
	int result;

	if (!take_node(c))
		return;
	result = devices_from_json(c->argument, c->request->body, c->request->body_size, list,
				   &count, &why);
	result = result ? result : fill_keys(c, list, count, &why);
	remember(c);
	if (result == 0)
		result = set_devices(c->nb->core, c->argument, list, count, &why);
	if (result < 0) {
		undo(c);
		forget_remembered(c);
		call_refuse(c, result, &why);
	} else if (c->nb->store) {
		store_put_devices(c->nb->store, c->argument, list, count, on_kept, c);
	} else {
		on_kept(c, 0, NULL);
	}
	sign_wipe(list, sizeof(list));
}

void devices_forget(struct call *c, const char *node)
{
	struct reason why;

	if (!devices_at(core_devices(c->nb->core), node, 0))
		return;
	(void)set_devices(c->nb->core, node, NULL, 0, &why);
	if (c->nb->store)
		store_put_devices(c->nb->store, node, NULL, 0, NULL, NULL);
}

/* ---- who is registered ---- */

static void collect_registration(void *to, const struct attachment *a)
{
	struct collecting *l = to;
	struct registration_view v;
	struct json_object *o;

	if (!core_registration(l->call->nb->core, a->node, &v))
		return;
	o = json_object_new_object();
	add_text(o, "node", a->node);
	add_text(o, "device", v.known ? v.device : NULL);
	json_object_object_add(o, "confirmed", json_object_new_boolean(v.confirmed));
	json_object_object_add(o, "seconds_left", json_object_new_int64(v.left_s));
	json_object_array_add(l->list, o);
}

static void add_count(struct json_object *o, const char *key, uint64_t count)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)count));
}

static struct json_object *view_counts(const struct core *core)
{
	struct registration_counts n = core_registration_counts(core);
	struct json_object *o = json_object_new_object();

	add_count(o, "solicited", n.solicited);
	add_count(o, "registered", n.registered);
	add_count(o, "renewed", n.renewed);
	add_count(o, "deregistered", n.deregistered);
	add_count(o, "expired", n.expired);
	add_count(o, "refused", n.refused);
	add_count(o, "pushed", n.pushed);
	return o;
}

void call_get_registrations(struct call *c)
{
	struct collecting l = {c, json_object_new_array(), false};
	struct sign_key other = sign_key_other(&core_get_config(c->nb->core)->registration_key);
	char key[SIGN_KEY_TEXT_SIZE];
	struct json_object *o;

	core_attachments(c->nb->core, collect_registration, &l);
	o = wrap("registrations", l.list);
	json_object_object_add(o, "counts", view_counts(c->nb->core));
	add_text(o, "public_key", other.algorithm ? sign_key_format(&other, key) : NULL);
	call_answer(c, 200, o);
}
