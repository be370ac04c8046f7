/* Admission in the configuration file; the core checks what concerns sites, prefixes and nodes
 * among each other. */
#include "controller/io/config_admission.h"

#include "controller/io/config.h"
#include "controller/io/config_network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint32_t number_or(const uint32_t *number, uint32_t standard)
{
	return number ? *number : standard;
}

int config_admission_read(const struct yaml_config *y, struct core_config *ret, struct reason *why)
{
	const char *admission = y->admission ? y->admission : "strict";
	const char *shared = y->shared_ports ? y->shared_ports : "ask";
	uint32_t window_s = number_or(y->flapping.window_s, 180);

	if (admission_mode_parse(admission, &ret->admission) < 0)
		return reason_set(why, -EINVAL, "admission '%s': write strict, first-come or open",
				  admission);
	if (strcmp(shared, "ask") != 0 && strcmp(shared, "trust") != 0)
		return reason_set(why, -EINVAL, "shared_ports '%s': write ask or trust", shared);
	ret->shared_ports = shared[0] == 'a' ? SHARED_PORTS_ASK : SHARED_PORTS_TRUST;
	ret->flapping_claims = number_or(y->flapping.claims, 5);
	if (ret->flapping_claims < 2 || ret->flapping_claims > 1000)
		return reason_set(why, -EINVAL, "flapping: claims must be 2 to 1000");
	if (window_s < 1 || window_s > 86400)
		return reason_set(why, -EINVAL, "flapping: window_s must be 1 to 86400");
	ret->flapping_window_ms = window_s * 1000;
	return 0;
}

int config_mode_read(const char *text, struct covered_prefix *ret, struct reason *why)
{
	enum admission_mode mode;

	if (!text)
		return 0;
	if (admission_mode_parse(text, &mode) < 0)
		return reason_set(why, -EINVAL, "mode '%s': write strict, first-come or open",
				  text);
	ret->mode = (uint8_t)(1 + mode);
	return 0;
}

static int read_words(const char *what, char *const *texts, unsigned count, enum words_kind kind,
		      struct words *ret, struct reason *why)
{
	for (unsigned i = 0; i < count; i++) {
		int r = words_add(ret, kind, texts[i]);

		if (r == -E2BIG)
			return reason_set(why, r, "%s: more than %d characters in all", what,
					  WORDS_SIZE - 1);
		if (r == -EEXIST)
			return reason_set(why, r, "%s: '%.60s' is there twice", what, texts[i]);
		if (r < 0)
			return reason_set(why, r, "%s: '%.60s' is none", what, texts[i]);
	}
	return 0;
}

static int read_network(const char *text, uint32_t vrf, bool imported, struct site *ret,
			struct reason *why)
{
	struct site_network *n = &ret->networks[ret->network_count];
	int r = prefix_parse(text, &n->prefix);

	if (r == -ERANGE)
		return reason_set(why, -EINVAL, "network '%.60s' has bits set beyond its length",
				  text);
	if (r < 0)
		return reason_set(why, -EINVAL, "'%.60s' is no prefix such as 10.2.0.0/16", text);
	if (ret->network_count + 1 == SITE_NETWORKS_MAX)
		return reason_set(why, -EINVAL, "more than %d networks and imports",
				  SITE_NETWORKS_MAX - 1);
	n->vrf = vrf;
	n->imported = imported;
	ret->network_count++;
	return 0;
}

int config_site_read(const struct yaml_site *y, struct site *ret, struct reason *why)
{
	int r = config_names_read(&y->name, 1, &ret->name, why);

	ret->element_count = y->elements_count;
	if (r == 0)
		r = config_names_read(y->elements, y->elements_count, ret->elements, why);
	if (r == 0)
		r = read_words("labels", y->labels, y->labels_count, WORDS_LABELS, &ret->labels,
			       why);
	for (unsigned i = 0; i < y->networks_count && r == 0; i++)
		r = read_network(y->networks[i], 0, false, ret, why);
	for (unsigned i = 0; i < y->imports_count && r == 0; i++)
		r = read_network(y->imports[i].prefix, y->imports[i].vrf, true, ret, why);
	return r;
}

int config_allow_read(const struct yaml_node *y, struct node_spec *ret, struct reason *why)
{
	const struct yaml_allow *allow = y->allow;
	int r = read_words("labels", y->labels, y->labels_count, WORDS_LABELS, &ret->labels, why);

	if (!allow || r < 0)
		return r;
	r = read_words("allow: ports", allow->ports, allow->ports_count, WORDS_PATTERNS,
		       &ret->allow_ports, why);
	if (r == 0)
		r = read_words("allow: sites", allow->sites, allow->sites_count, WORDS_NAMES,
			       &ret->allow_sites, why);
	if (r == 0)
		r = read_words("allow: labels", allow->labels, allow->labels_count, WORDS_LABELS,
			       &ret->allow_labels, why);
	return r;
}

/* ---- exits that nobody knows ---- */

static bool is_in(const char (*names)[NAME_SIZE], unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Elements say themselves who they are; here they are named wherever the file speaks of them. */
static bool is_named(const struct config *c, const char *name)
{
	bool found = false;

	for (unsigned i = 0; i < c->network_count && !found; i++)
		found = strcmp(c->networks[i].name, name) == 0 ||
			is_in(c->networks[i].elements, c->networks[i].element_count, name);
	for (unsigned i = 0; i < c->site_count && !found; i++)
		found = is_in(c->sites[i].elements, c->sites[i].element_count, name);
	for (unsigned i = 0; i < c->element_count && !found; i++)
		found = strcmp(c->elements[i].name, name) == 0;
	for (unsigned i = 0; i < c->link_count && !found; i++)
		found = is_in(c->links[i].ends, 2, name);
	for (unsigned i = 0; i < c->tunnel_count && !found; i++)
		found = is_in(c->tunnels[i].ends, 2, name);
	for (unsigned i = 0; i < c->prefix_count && !found; i++)
		found = is_in(c->prefixes[i].elements, c->prefixes[i].element_count, name);
	for (unsigned i = 0; i < c->node_count && !found; i++)
		found = is_in(c->nodes[i].elements, c->nodes[i].element_count, name);
	return found;
}

static void check_list(const struct config *c, unsigned at, const char *what,
		       const char (*names)[NAME_SIZE], unsigned count,
		       void (*warn)(const struct config *c, unsigned line, const char *text))
{
	char prefix[PREFIX_TEXT_SIZE], text[256];

	prefix_format(&c->prefixes[at].prefix, prefix);
	for (unsigned i = 0; i < count; i++) {
		if (is_named(c, names[i]))
			continue;
		snprintf(text, sizeof(text),
			 "prefix %s: %s: '%s' is no network, and nothing else here names an "
			 "element of this name: is it written right?",
			 prefix, what, names[i]);
		warn(c, c->prefix_lines[at], text);
	}
}

void config_check_exits(const struct config *c,
			void (*warn)(const struct config *c, unsigned line, const char *text))
{
	for (unsigned i = 0; i < c->prefix_count; i++) {
		const struct covered_prefix *p = &c->prefixes[i];

		check_list(c, i, "exits", p->exits, p->exit_count, warn);
		check_list(c, i, "announce_at", p->announcers, p->announcer_count, warn);
	}
}
