/* A node is one block of a slab: what all have, its addresses, its lists as text where it has any.
 * Its id is a block of its own, which stays while the node's is made anew. */
#include "controller/node.h"

#include "base/memory.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct address_key {
	uint32_t vrf;
	struct address address;
};
_Static_assert(sizeof(struct address_key) == 20, "address_key has hidden padding");

struct mac_key {
	uint32_t vrf;
	struct mac mac;
	uint16_t zero;
};
_Static_assert(sizeof(struct mac_key) == 12, "mac_key has hidden padding");

#define LISTS_SIZE (NODE_ELEMENTS_MAX * NAME_SIZE + (NODE_LISTS - 1) * WORDS_SIZE)
_Static_assert(sizeof(struct node) + NODE_ADDRESSES_MAX * sizeof(struct address) + LISTS_SIZE <=
		       UINT8_MAX * SLAB_UNIT,
	       "a node is a block of a slab, and its size a byte");
_Static_assert(UINT8_MAX *SLAB_UNIT <= SLAB_LARGEST, "a slab has blocks of that size");

static size_t lists_at(unsigned address_count)
{
	return offsetof(struct node, addresses) + address_count * sizeof(struct address);
}

static size_t node_size(const struct node *n)
{
	return (size_t)n->units * SLAB_UNIT;
}

static size_t name_size(const char *id)
{
	return offsetof(struct node_name, id) + strlen(id) + 1;
}

const char *node_list(const struct node *n, enum node_list which)
{
	const char *text = (const char *)n + lists_at(n->address_count);

	if (!n->has_lists)
		return "";
	for (unsigned i = 0; i < which; i++)
		text += strlen(text) + 1;
	return text;
}

bool node_may_be_at(const struct node *n, const char *element)
{
	const char *list = node_list(n, NODE_ELEMENTS);

	return !list[0] || words_has(list, element);
}

/* A text for each list, one behind the other; returns their size, 0 where all are empty. */
static size_t write_lists(const struct node_spec *spec, char lists[LISTS_SIZE])
{
	const char *others[] = {spec->labels.text, spec->allow_ports.text, spec->allow_sites.text,
				spec->allow_labels.text};
	size_t size = 0;

	lists[0] = '\0';
	for (unsigned i = 0; i < spec->element_count; i++)
		size += (size_t)snprintf(lists + size, LISTS_SIZE - size, "%s%s", i ? "," : "",
					 spec->elements[i]);
	size++;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		memcpy(lists + size, others[i], strlen(others[i]) + 1);
		size += strlen(others[i]) + 1;
	}
	return size > NODE_LISTS ? size : 0;
}

static void read_words(struct words *to, const char *text)
{
	memcpy(to->text, text, strlen(text));
}

void node_describe(const struct node *n, struct node_spec *ret)
{
	unsigned at = 0;

	memset(ret, 0, sizeof(*ret));
	ret->vrf = n->vrf;
	ret->mac = n->mac;
	ret->address_count = n->address_count;
	ret->mobile = n->mobile;
	ret->learned = n->learned;
	memcpy(ret->id, n->id, strlen(n->id));
	memcpy(ret->addresses, n->addresses, n->address_count * sizeof(*n->addresses));
	while (ret->element_count < NODE_ELEMENTS_MAX &&
	       words_next(node_list(n, NODE_ELEMENTS), &at, ret->elements[ret->element_count]))
		ret->element_count++;
	read_words(&ret->labels, node_list(n, NODE_LABELS));
	read_words(&ret->allow_ports, node_list(n, NODE_ALLOW_PORTS));
	read_words(&ret->allow_sites, node_list(n, NODE_ALLOW_SITES));
	read_words(&ret->allow_labels, node_list(n, NODE_ALLOW_LABELS));
}

struct node *node_copy(const struct node *n)
{
	return memory_copy(n, node_size(n));
}

/* --- all of them --------------------------------------------------------------------------- */

void nodes_init(struct nodes *all, uint64_t seed)
{
	slab_init(&all->slab);
	index_init(&all->by_id, seed);
	index_init(&all->by_address, seed + 1);
	index_init(&all->by_mac, seed + 2);
	all->count = 0;
}

void nodes_finish(struct nodes *all)
{
	index_finish(&all->by_id);
	index_finish(&all->by_address);
	index_finish(&all->by_mac);
	slab_finish(&all->slab);
}

static struct node *node_at(const struct nodes *all, uint32_t block)
{
	return slab_at(&all->slab, block);
}

static struct node_name *name_at(const struct nodes *all, uint32_t block)
{
	return slab_at(&all->slab, block);
}

static uint32_t hash_address(const struct nodes *all, uint32_t vrf, const struct address *a)
{
	struct address_key key = {.vrf = vrf, .address = *a};

	return index_hash(&all->by_address, &key, sizeof(key));
}

static uint32_t hash_mac(const struct nodes *all, uint32_t vrf, const struct mac *m)
{
	struct mac_key key = {.vrf = vrf, .mac = *m};

	return index_hash(&all->by_mac, &key, sizeof(key));
}

/* The name's block; 0: there is none. */
static uint32_t find_name(const struct nodes *all, const char *id, uint32_t hash)
{
	struct index_walk walk = index_walk(&all->by_id, hash);
	uint32_t block;

	while (index_next(&all->by_id, &walk, &block))
		if (strcmp(name_at(all, block)->id, id) == 0)
			return block;
	return 0;
}

static bool has_address(const struct node *n, const struct address *a)
{
	for (unsigned i = 0; i < n->address_count; i++)
		if (address_equal(&n->addresses[i], a))
			return true;
	return false;
}

static uint32_t hash_id(const struct nodes *all, const char *id)
{
	return index_hash(&all->by_id, id, strlen(id));
}

const struct node *nodes_named(const struct nodes *all, const struct node_name *name)
{
	return name->node ? node_at(all, name->node) : NULL;
}

const struct node_name *nodes_name_of(const char *id)
{
	return (const void *)(id - offsetof(struct node_name, id));
}

struct node_name *nodes_name(const struct nodes *all, const char *id)
{
	uint32_t block = find_name(all, id, hash_id(all, id));

	return block ? name_at(all, block) : NULL;
}

const struct node *nodes_find(const struct nodes *all, const char *id)
{
	const struct node_name *name = nodes_name(all, id);

	return name ? nodes_named(all, name) : NULL;
}

const struct node *nodes_by_address(const struct nodes *all, uint32_t vrf, const struct address *a)
{
	struct index_walk walk = index_walk(&all->by_address, hash_address(all, vrf, a));
	uint32_t block;

	while (index_next(&all->by_address, &walk, &block)) {
		const struct node *n = node_at(all, block);

		if (n->vrf == vrf && has_address(n, a))
			return n;
	}
	return NULL;
}

const struct node *nodes_by_mac(const struct nodes *all, uint32_t vrf, const struct mac *m)
{
	struct index_walk walk = index_walk(&all->by_mac, hash_mac(all, vrf, m));
	uint32_t block;

	while (index_next(&all->by_mac, &walk, &block)) {
		const struct node *n = node_at(all, block);

		if (n->vrf == vrf && mac_equal(&n->mac, m))
			return n;
	}
	return NULL;
}

const struct node *nodes_next(const struct nodes *all, uint64_t *at)
{
	uint32_t name;

	while (index_each(&all->by_id, at, &name))
		if (name_at(all, name)->node)
			return node_at(all, name_at(all, name)->node);
	return NULL;
}

static void link_node(struct nodes *all, uint32_t block)
{
	const struct node *n = node_at(all, block);

	for (unsigned i = 0; i < n->address_count; i++)
		index_add(&all->by_address, hash_address(all, n->vrf, &n->addresses[i]), block);
	if (!mac_is_zero(&n->mac))
		index_add(&all->by_mac, hash_mac(all, n->vrf, &n->mac), block);
}

static void unlink_node(struct nodes *all, uint32_t block)
{
	const struct node *n = node_at(all, block);

	for (unsigned i = 0; i < n->address_count; i++)
		index_remove(&all->by_address, hash_address(all, n->vrf, &n->addresses[i]), block);
	if (!mac_is_zero(&n->mac))
		index_remove(&all->by_mac, hash_mac(all, n->vrf, &n->mac), block);
	slab_give(&all->slab, block, node_size(n));
}

static uint32_t make_node(struct nodes *all, const struct node_spec *spec, const char *id)
{
	char lists[LISTS_SIZE];
	size_t size = write_lists(spec, lists);
	size_t units = (lists_at(spec->address_count) + size + SLAB_UNIT - 1) / SLAB_UNIT;
	uint32_t block = slab_take(&all->slab, units * SLAB_UNIT);
	struct node *n = node_at(all, block);

	n->id = id;
	n->vrf = spec->vrf;
	n->mac = spec->mac;
	n->mobile = spec->mobile;
	n->learned = spec->learned;
	n->address_count = spec->address_count;
	n->has_lists = size > 0;
	n->units = (uint8_t)units;
	memcpy(n->addresses, spec->addresses, n->address_count * sizeof(*n->addresses));
	memcpy((char *)n + lists_at(n->address_count), lists, size);
	return block;
}

struct node_name *nodes_obtain_name(struct nodes *all, const char *id)
{
	uint32_t hash = hash_id(all, id), block = find_name(all, id, hash);

	if (block)
		return name_at(all, block);
	block = slab_take(&all->slab, name_size(id));
	memcpy(name_at(all, block)->id, id, strlen(id));
	index_add(&all->by_id, hash, block);
	return name_at(all, block);
}

static void drop_if_unused(struct nodes *all, struct node_name *name)
{
	uint32_t hash, block;

	if (name->node || name->kept)
		return;
	hash = hash_id(all, name->id);
	block = find_name(all, name->id, hash);
	index_remove(&all->by_id, hash, block);
	slab_give(&all->slab, block, name_size(name->id));
}

void nodes_release_name(struct nodes *all, struct node_name *name)
{
	name->kept = 0;
	drop_if_unused(all, name);
}

void nodes_put(struct nodes *all, const struct node_spec *spec)
{
	struct node_name *name = nodes_obtain_name(all, spec->id);

	if (name->node)
		unlink_node(all, name->node);
	else
		all->count++;
	name->node = make_node(all, spec, name->id);
	link_node(all, name->node);
}

bool nodes_remove(struct nodes *all, const char *id)
{
	struct node_name *name = nodes_name(all, id);

	if (!name || !name->node)
		return false;
	unlink_node(all, name->node);
	name->node = 0;
	all->count--;
	drop_if_unused(all, name);
	return true;
}
