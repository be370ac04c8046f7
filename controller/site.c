/* Sites, in a list: there are few, and they are asked when something is declared or attaches. */
#include "controller/site.h"

#include "base/memory.h"
#include "controller/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sites_finish(struct sites *s)
{
	free(s->list);
	*s = (struct sites){NULL, 0};
}

static bool has_element(const struct site *one, const char *element)
{
	for (unsigned i = 0; i < one->element_count; i++)
		if (strcmp(one->elements[i], element) == 0)
			return true;
	return false;
}

const struct site *sites_of(const struct sites *s, const char *element)
{
	for (unsigned i = 0; i < s->count; i++)
		if (has_element(&s->list[i], element))
			return &s->list[i];
	return NULL;
}

const struct site *sites_find(const struct sites *s, const char *name)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->list[i].name, name) == 0)
			return &s->list[i];
	return NULL;
}

static int check_elements(const struct sites *s, const struct site *one, struct reason *why)
{
	for (unsigned i = 0; i < one->element_count; i++) {
		const struct site *other = sites_of(s, one->elements[i]);

		if (!inventory_name_is_valid(one->elements[i]))
			return reason_set(why, -EINVAL, "site %s: '%s' is no element's name",
					  one->name, one->elements[i]);
		if (other)
			return reason_set(why, -EEXIST, "site %s: element %s is at site %s",
					  one->name, one->elements[i], other->name);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(one->elements[i], one->elements[j]) == 0)
				return reason_set(why, -EEXIST,
						  "site %s: element %s is there twice", one->name,
						  one->elements[i]);
	}
	return 0;
}

int sites_add(struct sites *s, const struct site *one, struct reason *why)
{
	int r;

	if (!inventory_name_is_valid(one->name))
		return reason_set(why, -EINVAL,
				  "site '%s': a name is of letters, digits, '-', '_' and '.'",
				  one->name);
	if (sites_find(s, one->name))
		return reason_set(why, -EEXIST, "site %s is there twice", one->name);
	if (s->count == SITES_MAX)
		return reason_set(why, -EINVAL, "site %s: there are %d already", one->name,
				  SITES_MAX);
	r = check_elements(s, one, why);
	if (r < 0)
		return r;
	if (!s->list)
		s->list = memory_alloc_array(SITES_MAX, sizeof(*s->list));
	s->list[s->count++] = *one;
	return 0;
}

int sites_check(const struct sites *s, uint32_t vrf, const struct prefix *p, const char *what,
		struct reason *why)
{
	char text[PREFIX_TEXT_SIZE];

	for (unsigned i = 0; i < s->count; i++)
		for (unsigned j = 0; j < s->list[i].network_count; j++) {
			const struct site_network *n = &s->list[i].networks[j];

			if (n->vrf != vrf || !prefix_overlaps(&n->prefix, p))
				continue;
			prefix_format(&n->prefix, text);
			if (n->imported)
				return reason_set(why, -EEXIST,
						  "%s overlaps %s, which VRF %u imports at site %s",
						  what, text, vrf, s->list[i].name);
			return reason_set(why, -EEXIST, "%s overlaps %s, a network of site %s",
					  what, text, s->list[i].name);
		}
	return 0;
}
