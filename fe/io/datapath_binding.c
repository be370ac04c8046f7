/* The bindings of struct datapath_ops: the table that packets read (include/victor/bindings.h),
 * mapped into this process, and what it counts. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

LOG_MODULE("datapath");

_Static_assert(MAP_BINDING_LOCAL == BINDING_LOCAL && MAP_BINDING_GUARD == BINDING_GUARD &&
		       MAP_BINDING_FOREIGN == BINDING_FOREIGN &&
		       MAP_BINDING_MARKED_ONLY == BINDING_MARKED_ONLY &&
		       MAP_BINDING_BESIDE == BINDING_BESIDE &&
		       MAP_BINDING_LEAVING == BINDING_LEAVING,
	       "binding flags differ");

/* What a binding was before its table had this shape (layout 3). */
struct old_binding {
	uint8_t flags, pad;
	uint16_t vlan;
	uint32_t port, fe;
	uint8_t mac[6], gateway_mac[6];
	uint64_t seen_ns;
};
_Static_assert(sizeof(struct old_binding) == 32, "old_binding has hidden padding");

/* ---- the mapping ---- */

/* Programs run in RCU's read sections, and this barrier waits for these. */
static void wait_grace(void)
{
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)) {
		const struct timespec long_enough = {.tv_nsec = 100000000};

		/* A kernel with nohz_full has no such barrier: no program runs for so long. */
		nanosleep(&long_enough, NULL);
	}
}

int datapath_bindings_size(struct victor_bpf *skeleton, uint32_t limit)
{
	uint32_t buckets, chunks;
	int result;

	binding_table_sizes(limit, &buckets, &chunks);
	result = bpf_map__set_max_entries(skeleton->maps.binding_buckets, buckets);
	return result ? result : bpf_map__set_max_entries(skeleton->maps.binding_records, chunks);
}

static size_t mapped_size(const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);

	return (size + page - 1) / page * page;
}

static void *map_memory(const struct bpf_map *map)
{
	void *memory =
		mmap(NULL, mapped_size(map), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd(map), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void unmap_memory(const struct bpf_map *map, void *memory)
{
	if (memory)
		munmap(memory, mapped_size(map));
}

int datapath_bindings_open(struct datapath *dp, uint32_t limit, struct reason *why)
{
	const struct bpf_map *buckets = dp->skeleton->maps.binding_buckets;
	const struct bpf_map *records = dp->skeleton->maps.binding_records;

	dp->shape_memory = map_memory(dp->skeleton->maps.binding_shape);
	if (!dp->shape_memory ||
	    mapped_array_open(&dp->bucket_array, map_fd(buckets), mapped_size(buckets)) ||
	    mapped_array_open(&dp->record_array, map_fd(records), mapped_size(records)) ||
	    (dp->shape_memory->limit && mapped_array_find(&dp->bucket_array)))
		return reason_set(why, -ENOMEM, "the table of bindings cannot be mapped: %s",
				  strerror(errno));
	if (!dp->shape_memory->limit) {
		uint64_t keys[BINDING_WORDS + 1] = {};

		if (getrandom(keys, sizeof(keys), 0) != sizeof(keys))
			return reason_set(why, -EIO, "no random bytes: %s", strerror(errno));
		binding_table_format(dp->shape_memory, limit, keys);
	}
	if (!binding_table_fits(dp->shape_memory, bpf_map__max_entries(buckets),
				bpf_map__max_entries(records)))
		return reason_set(why, -EINVAL,
				  "the table of bindings in '%s' contradicts itself: clear it with "
				  "'victor-fe --remove'",
				  dp->pin_directory);
	binding_table_attach_mapped(&dp->bindings, dp->shape_memory, &dp->bucket_array,
				    &dp->record_array, wait_grace);
	return 0;
}

void datapath_bindings_close(struct datapath *dp)
{
	binding_table_detach(&dp->bindings);
	mapped_array_close(&dp->bucket_array);
	mapped_array_close(&dp->record_array);
	if (dp->skeleton)
		unmap_memory(dp->skeleton->maps.binding_shape, dp->shape_memory);
}

/* ---- from an older layout ---- */

static struct map_binding binding_of(const struct old_binding *old,
				     const struct map_address_key *key)
{
	struct map_binding b = {.vrf = key->vrf, .flags = old->flags, .fe = (uint16_t)old->fe};

	memcpy(b.address, key->address, sizeof(b.address));
	if (!(old->flags & (MAP_BINDING_LOCAL | MAP_BINDING_GUARD)))
		return b;
	b.kind = MAP_BINDING_PAIR;
	b.seen_ns = old->seen_ns;
	b.port = (uint16_t)old->port;
	b.vlan = old->vlan;
	memcpy(b.mac, old->mac, sizeof(b.mac));
	memcpy(b.gateway_mac, old->gateway_mac, sizeof(b.gateway_mac));
	return b;
}

int datapath_bindings_take_over(struct datapath *dp, int old_fd, uint32_t fe)
{
	struct map_counter *each = memory_alloc_array(dp->cpus, sizeof(*each));
	struct map_address_key key, *previous = NULL;
	struct old_binding old;
	int result = 0;

	while (!result && !bpf_map_get_next_key(old_fd, previous, &key)) {
		struct map_counter_key counter = {.ingress_fe = fe, .vrf = key.vrf};
		struct map_binding b;

		previous = &key;
		if (bpf_map_lookup_elem(old_fd, &key, &old))
			continue;
		b = binding_of(&old, &key);
		memcpy(counter.address, key.address, sizeof(key.address));
		if (b.kind & MAP_BINDING_PAIR) {
			const struct map_counter sum = datapath_counter_read(dp, &counter, each);

			b.packets = sum.packets;
			b.bytes = sum.bytes;
		}
		result = binding_table_put(&dp->bindings, &b);
	}
	free(each);
	return result;
}

/* ---- into a larger table ---- */

struct pinned_array {
	int fd;
	struct bpf_map_info info;
	void *memory;
	size_t size;
};

static int array_open(const struct datapath *dp, const struct bpf_map *map,
		      struct pinned_array *ret)
{
	char *path = datapath_pin_path(dp, bpf_map__name(map));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t size = sizeof(ret->info);

	*ret = (struct pinned_array){.fd = bpf_obj_get(path)};
	free(path);
	if (ret->fd < 0 || bpf_obj_get_info_by_fd(ret->fd, &ret->info, &size))
		return -errno;
	ret->size = (size_t)ret->info.value_size * ret->info.max_entries;
	ret->size = (ret->size + page - 1) / page * page;
	ret->memory = mmap(NULL, ret->size, PROT_READ | PROT_WRITE, MAP_SHARED, ret->fd, 0);
	if (ret->memory == MAP_FAILED) {
		ret->memory = NULL;
		return -errno;
	}
	return 0;
}

static void array_close(struct pinned_array *a)
{
	if (a->memory)
		munmap(a->memory, a->size);
	if (a->fd > 0)
		close(a->fd);
}

static int bindings_copy(struct datapath *dp, struct pinned_array old[3])
{
	struct binding_table from;
	const struct map_binding *b;
	uint64_t at = 0;
	int result = 0;

	if (!binding_table_fits(old[0].memory, old[1].info.max_entries, old[2].info.max_entries))
		return -EINVAL;
	binding_table_attach(&from, old[0].memory, old[1].memory, old[2].memory, wait_grace);
	while (!result && (b = binding_table_next(&from, &at)))
		result = binding_table_put(&dp->bindings, b);
	binding_table_detach(&from);
	return result;
}

/* The older table forwards on meanwhile, and is healed for that. */
int datapath_bindings_move(struct datapath *dp)
{
	const struct bpf_map *maps[] = {dp->skeleton->maps.binding_shape,
					dp->skeleton->maps.binding_buckets,
					dp->skeleton->maps.binding_records};
	struct pinned_array old[3] = {};
	int result = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(maps) && !result; i++)
		result = array_open(dp, maps[i], &old[i]);
	result = result ? result : bindings_copy(dp, old);
	for (unsigned i = 0; i < ARRAY_SIZE(maps); i++)
		array_close(&old[i]);
	return result;
}

/* ---- setting ---- */

static bool same_place(const struct map_binding *a, const struct map_binding *b)
{
	return a->port == b->port && a->vlan == b->vlan && !memcmp(a->mac, b->mac, sizeof(a->mac));
}

static bool says_the_same(const struct map_binding *a, const struct map_binding *b)
{
	if (a->state != b->state)
		return false;
	if (a->kind & MAP_BINDING_PAIR)
		return same_place(a, b) &&
		       !memcmp(a->gateway_mac, b->gateway_mac, sizeof(a->gateway_mac));
	return a->version == b->version;
}

int datapath_binding_set(void *context, const struct datapath_binding *b)
{
	struct datapath *dp = datapath_of(context);
	const struct map_address_key key = map_address_key_make(b->vrf, &b->address);
	struct map_binding new = {.vrf = b->vrf, .flags = b->flags, .fe = (uint16_t)b->fe};
	const struct binding_place place = binding_table_find(&dp->bindings, &key);
	const struct map_binding *old = binding_table_at(&dp->bindings, &place);

	memcpy(new.address, b->address.bytes, sizeof(new.address));
	if (b->flags & (BINDING_LOCAL | BINDING_GUARD)) {
		if (!table_get(&dp->devices, &b->port))
			return -ENOENT;
		new.kind = MAP_BINDING_PAIR;
		new.port = (uint16_t)b->port;
		new.vlan = b->vlan;
		memcpy(new.mac, b->mac.bytes, sizeof(new.mac));
		memcpy(new.gateway_mac, b->gateway_mac.bytes, sizeof(new.gateway_mac));
	}
	if (b->bare) {
		new.kind = MAP_BINDING_RULE;
		new.version = b->version;
	}
	if (old)
		binding_table_confirm(&dp->bindings, &place);
	if (old && says_the_same(old, &new))
		return 0;
	if (old && old->kind & new.kind &MAP_BINDING_PAIR) {
		new.seen_ns = same_place(old, &new) ? old->seen_ns : 0;
		new.packets = old->packets;
		new.bytes = old->bytes;
	}
	return binding_table_put_at(&dp->bindings, &place, &new);
}

void datapath_binding_expect(void *context, uint32_t vrf, const struct address *address)
{
	struct datapath *dp = datapath_of(context);
	const struct map_address_key key = map_address_key_make(vrf, address);

	binding_table_expect(&dp->bindings, &key);
}

int datapath_binding_remove(void *context, uint32_t vrf, const struct address *address)
{
	struct datapath *dp = datapath_of(context);
	const struct map_address_key key = map_address_key_make(vrf, address);

	return binding_table_remove(&dp->bindings, &key) ? 0 : -ENOENT;
}

/* ---- what is asked of it ---- */

static bool read_bare(const struct map_binding *b, struct datapath_bare *ret)
{
	if (!(b->kind & MAP_BINDING_RULE))
		return false;
	*ret = (struct datapath_bare){.vrf = b->vrf, .fe = b->fe, .version = b->version};
	memcpy(ret->address.bytes, b->address, sizeof(b->address));
	return true;
}

int datapath_bare_get(void *context, uint32_t vrf, const struct address *address,
		      struct datapath_bare *ret)
{
	const struct map_address_key key = map_address_key_make(vrf, address);
	const struct map_binding *b = binding_table_get(&datapath_of(context)->bindings, &key);

	return b && read_bare(b, ret) ? 0 : -ENOENT;
}

bool datapath_bare_next(void *context, uint64_t *at, struct datapath_bare *ret)
{
	const struct map_binding *b;

	while ((b = binding_table_next(&datapath_of(context)->bindings, at)))
		if (read_bare(b, ret))
			return true;
	return false;
}

int64_t datapath_binding_idle_ms(void *context, uint32_t vrf, const struct address *address)
{
	struct datapath *dp = datapath_of(context);
	const struct map_address_key key = map_address_key_make(vrf, address);
	const struct map_binding *b = binding_table_get(&dp->bindings, &key);
	struct timespec now;
	int64_t idle;

	if (!b || !(b->kind & MAP_BINDING_PAIR) || !b->seen_ns)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	idle = now.tv_sec * 1000000000ll + now.tv_nsec - (int64_t)b->seen_ns;
	return idle > 0 ? idle / 1000000 : 0;
}

struct map_counter datapath_binding_counter(const struct datapath *dp,
					    const struct map_address_key *key)
{
	const struct map_binding *b = binding_table_get(&dp->bindings, key);

	if (!b || !(b->kind & MAP_BINDING_PAIR))
		return (struct map_counter){};
	return (struct map_counter){b->packets, b->bytes};
}

void datapath_binding_counters(const struct datapath *dp,
			       void (*add)(void *to, const struct counter *), void *to)
{
	const struct map_binding *b;
	uint64_t at = 0;

	while ((b = binding_table_next(&dp->bindings, &at))) {
		struct counter c = {.ingress_fe = dp->config.fe, .vrf = b->vrf};

		if (!(b->kind & MAP_BINDING_PAIR) || !b->packets)
			continue;
		c.packets = b->packets;
		c.bytes = b->bytes;
		memcpy(c.address.bytes, b->address, sizeof(b->address));
		add(to, &c);
	}
}
