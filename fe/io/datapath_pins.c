/* The pinned maps: whether they are ours, by which names the new process takes them over, and what
 * becomes of those that an older release shaped differently.
 *
 * Most maps are used on as they are, by the programs of both releases at once.  One whose shape
 * changed is made anew under NEXT and filled from the old one; then, in one step, NEXT becomes
 * MIGRATED: from there on the old maps count no more.  Its pins replace the old ones, also where
 * the process dies in between and another one finds MIGRATED.  Nothing of that touches the programs
 * that forward: each port has its old program and the old maps, or (one replaced filter later) its
 * new program and the new maps, and both say the same. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_MODULE("datapath");

#define OLD_BINDINGS "bindings"
#define OLD_BINDING_SIZE 32
#define BINDINGS_LAYOUT 4 /* the first with the table in include/victor/bindings.h */
#define NEAR_LAYOUT 5
#define NEXT "next"
#define MIGRATED "migrated"

/* What a layout did to a map's values.  'convert' makes the new value of the old one; NULL: it is
 * longer by zeros, which mean what the older release did.  A layout that no step leads to cannot be
 * reached from the one before. */
struct step {
	uint32_t layout; /* that it leads to */
	const char *map;
	uint32_t old_size, new_size;
	void (*convert)(const void *old, void *ret); /* '*ret' is zeros */
};

#if DATAPLANE_TRIAL
#define TRIAL_STEP(name, type)                                                                 \
	static void convert_##name(const void *old, void *ret)                                 \
	{                                                                                      \
		memcpy((uint8_t *)ret + DATAPLANE_TRIAL, old, sizeof(type) - DATAPLANE_TRIAL); \
	}
TRIAL_STEP(ports, struct map_port)
#endif

static const struct step steps[] = {
	/* Three maps took its place: datapath_bindings_migrate fills these. */
	{BINDINGS_LAYOUT, OLD_BINDINGS, OLD_BINDING_SIZE, 0, NULL},
	/* Records say NEAR: who takes them over sets it, and an older agent would leave it. */
	{NEAR_LAYOUT, "binding_records", sizeof(struct map_chunk), sizeof(struct map_chunk), NULL},
#if DATAPLANE_TRIAL
	{6, "ports", sizeof(struct map_port) - DATAPLANE_TRIAL, sizeof(struct map_port),
	 convert_ports},
	{6, "peers", sizeof(struct map_peer) - DATAPLANE_TRIAL, sizeof(struct map_peer), NULL},
#endif
	{0},
};
#define VALUE_MAX 1024

char *datapath_pin_path(const struct datapath *dp, const char *map)
{
	return memory_format("%s/%s", dp->pin_directory, map);
}

static void unpin_old_bindings(const struct datapath *dp)
{
	char *path = datapath_pin_path(dp, OLD_BINDINGS);

	if (unlink(path) && errno != ENOENT)
		log_warn("%s cannot be removed: %s", path, strerror(errno));
	free(path);
}

void datapath_unpin_all(struct datapath *dp)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, dp->skeleton->obj)
	{
		char *path = datapath_pin_path(dp, bpf_map__name(map));

		if (unlink(path) && errno != ENOENT)
			log_warn("%s cannot be removed: %s", path, strerror(errno));
		free(path);
	}
	unpin_old_bindings(dp);
	datapath_hooks_clear(dp);
}

/* ---- a migration that was under way ---- */

/* Calls 'each' for every pin in a directory of ours, and removes the directory. */
static void directory_end(struct datapath *dp, const char *name,
			  void (*each)(const char *from, const char *to))
{
	char *directory = datapath_pin_path(dp, name);
	DIR *list = opendir(directory);
	const struct dirent *entry;

	while (list && (entry = readdir(list))) {
		char *from = memory_format("%s/%s", directory, entry->d_name);
		char *to = datapath_pin_path(dp, entry->d_name);

		if (entry->d_name[0] != '.')
			each(from, to);
		free(from);
		free(to);
	}
	if (list) {
		closedir(list);
		if (rmdir(directory))
			log_warn("%s cannot be removed: %s", directory, strerror(errno));
	}
	free(directory);
}

static void take_pin(const char *from, const char *to)
{
	if (rename(from, to))
		log_warn("%s cannot replace %s: %s", from, to, strerror(errno));
}

static void drop_pin(const char *from, const char *to)
{
	(void)unlink(from);
}

void datapath_pins_recover(struct datapath *dp)
{
	directory_end(dp, MIGRATED, take_pin);
	directory_end(dp, NEXT, drop_pin);
}

/* ---- what is there ---- */

static bool pin_info(const struct datapath *dp, const char *name, struct bpf_map_info *ret,
		     int *ret_fd)
{
	char *path = datapath_pin_path(dp, name);
	uint32_t size = sizeof(*ret);
	int fd = bpf_obj_get(path);

	free(path);
	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return false;
	if (bpf_obj_get_info_by_fd(fd, ret, &size)) {
		close(fd);
		return false;
	}
	*ret_fd = fd;
	return true;
}

static bool is_array(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static const struct step *step_for(uint32_t from, const char *map)
{
	for (const struct step *s = steps; s->map; s++)
		if (s->layout == from + 1 && strcmp(s->map, map) == 0)
			return s;
	return NULL;
}

static bool leads_to(uint32_t layout)
{
	for (const struct step *s = steps; s->map; s++)
		if (s->layout == layout)
			return true;
	return false;
}

/* The size of the map's values after the steps from 'layout'; 0: one of them does not fit. */
static uint32_t size_after(const char *map, uint32_t layout, uint32_t size)
{
	for (; layout < DATAPLANE_LAYOUT; layout++) {
		const struct step *s = step_for(layout, map);

		if (s && s->old_size != size)
			return 0;
		size = s ? s->new_size : size;
	}
	return size;
}

static bool is_of_rules(const char *map)
{
	return strcmp(map, "rules") == 0;
}

/* Releases before made it 16 times as large, most of which nobody ever used. */
static bool is_of_port_verdicts(const char *map)
{
	return strcmp(map, "port_verdicts") == 0;
}

/* Nothing stays in it from one packet to the next: of another size it is made anew. */
static bool is_scratch(const char *map)
{
	return strcmp(map, "scratch") == 0;
}

static bool is_of_bindings(const char *map)
{
	return strncmp(map, "binding_", strlen("binding_")) == 0;
}

/* Whether the older release's map is there, as the new ones are filled from it. */
static bool has_old_bindings(const struct datapath *dp)
{
	struct bpf_map_info info;
	int fd;

	if (!pin_info(dp, OLD_BINDINGS, &info, &fd))
		return false;
	close(fd);
	return info.type == BPF_MAP_TYPE_HASH && info.key_size == sizeof(struct map_address_key) &&
	       info.value_size == OLD_BINDING_SIZE;
}

/* Whether the table of bindings is to have more room than the pinned one. */
static bool grows(const struct datapath *dp)
{
	const struct bpf_map *map = dp->skeleton->maps.binding_records;
	struct bpf_map_info info;
	int fd;

	if (!pin_info(dp, bpf_map__name(map), &info, &fd))
		return false;
	close(fd);
	return info.max_entries < bpf_map__max_entries(map);
}

enum fate { FATE_USED_ON, FATE_MOVED, FATE_NEW, FATE_UNKNOWN };

/* What becomes of the pinned map of that name. */
static enum fate fate_of(const struct datapath *dp, const struct bpf_map *map, uint32_t layout)
{
	const char *name = bpf_map__name(map);
	struct bpf_map_info info;
	enum fate fate = FATE_USED_ON;
	int fd;

	/* All three, or none. */
	if (is_of_bindings(name) && layout < BINDINGS_LAYOUT)
		return has_old_bindings(dp) ? FATE_MOVED : FATE_UNKNOWN;
	if (!pin_info(dp, name, &info, &fd))
		return FATE_NEW; /* the older release had none */
	close(fd);
	/* Which of the maps count is said by the header that is pinned with them. */
	if (dp->migrates && strcmp(name, "header") == 0)
		return FATE_MOVED;
	if (is_scratch(name))
		return info.value_size == bpf_map__value_size(map) ? FATE_USED_ON : FATE_MOVED;
	for (uint32_t l = layout; l < DATAPLANE_LAYOUT; l++)
		if (step_for(l, name))
			fate = FATE_MOVED;
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    size_after(name, layout, info.value_size) != bpf_map__value_size(map))
		return FATE_UNKNOWN;
	if (is_of_bindings(name))
		return grows(dp) ? FATE_MOVED : FATE_USED_ON;
	/* A table of counters grows with what is counted, and the list of rules with the table of
	 * bindings; other maps keep the limit they have. */
	if ((is_array(info.type) || is_of_rules(name)) &&
	    info.max_entries < bpf_map__max_entries(map))
		fate = FATE_MOVED;
	if (is_of_port_verdicts(name) && info.max_entries > bpf_map__max_entries(map))
		fate = FATE_MOVED;
	if (fate == FATE_MOVED && info.value_size > VALUE_MAX)
		return FATE_UNKNOWN;
	return fate;
}

static int refuse(const struct datapath *dp, uint32_t layout, struct reason *why)
{
	if (layout > DATAPLANE_LAYOUT)
		return reason_set(
			why, -EEXIST,
			"the pins in '%s' are of another release, a later one (layout %u, this is "
			"%u): they forward on, untouched; start that release again, or stop "
			"forwarding and clear them with 'victor-fe --remove'",
			dp->pin_directory, layout, DATAPLANE_LAYOUT);
	return reason_set(why, -EEXIST,
			  "the pins in '%s' are of another release (layout %u, this is %u), and "
			  "this one cannot take them over: they forward on, untouched; stop "
			  "forwarding and clear them with 'victor-fe --remove'",
			  dp->pin_directory, layout, DATAPLANE_LAYOUT);
}

/* Whether every map can be had from the pinned one; sets dp->migrates. */
static int shapes_check(struct datapath *dp, uint32_t layout, struct reason *why)
{
	struct bpf_map *map;

	for (uint32_t l = layout; l < DATAPLANE_LAYOUT; l++)
		if (!leads_to(l + 1))
			return refuse(dp, layout, why);
	dp->migrates = layout < DATAPLANE_LAYOUT; /* the header at least says so */
	bpf_object__for_each_map(map, dp->skeleton->obj)
	{
		enum fate fate = fate_of(dp, map, layout);

		if (fate == FATE_UNKNOWN) {
			log_debug("map %s has another shape", bpf_map__name(map));
			return refuse(dp, layout, why);
		}
		dp->migrates |= fate == FATE_MOVED;
	}
	dp->pinned_layout = layout;
	dp->bindings_move = layout < BINDINGS_LAYOUT || grows(dp);
	return 1;
}

int datapath_pins_check(struct datapath *dp, uint32_t fe, struct reason *why)
{
	char *path = datapath_pin_path(dp, "header");
	struct map_header h = {};
	int fd = bpf_obj_get(path), result = 0;
	uint32_t zero = 0;

	free(path);
	if (fd < 0 && fd != -ENOENT)
		return reason_set(why, fd, "the pins in '%s' cannot be opened: %s",
				  dp->pin_directory, strerror(-fd));
	if (fd >= 0) {
		struct bpf_map_info info = {};
		uint32_t size = sizeof(info);

		result = bpf_obj_get_info_by_fd(fd, &info, &size);
		if (!result && info.value_size == sizeof(h))
			result = bpf_map_lookup_elem(fd, &zero, &h);
		else if (!result)
			h.magic = DATAPLANE_MAGIC; /* and layout 0: another's */
		close(fd);
	}
	if (result)
		return reason_set(why, result, "the pins in '%s' cannot be read: %s",
				  dp->pin_directory, strerror(-result));
	if (!h.magic) {
		datapath_unpin_all(dp);
		return 0;
	}
	if (h.magic != DATAPLANE_MAGIC || !h.layout || h.layout > DATAPLANE_LAYOUT)
		return refuse(dp, h.layout, why);
	if (h.layout >= BINDINGS_LAYOUT)
		unpin_old_bindings(dp);
	if (h.fe != fe)
		return reason_set(
			why, -EBUSY,
			"the pins in '%s' belong to FE %u, not %u: correct the id, or give "
			"this FE a pin directory of its own",
			dp->pin_directory, h.fe, fe);
	return shapes_check(dp, h.layout, why);
}

/* ---- how the new process has them ---- */

static int keep_limit(const struct datapath *dp, struct bpf_map *map)
{
	struct bpf_map_info info;
	int fd;

	if (!pin_info(dp, bpf_map__name(map), &info, &fd))
		return 0;
	close(fd);
	if (info.max_entries == bpf_map__max_entries(map))
		return 0;
	log_warn("map %s keeps its limit of %u until the pins are removed", bpf_map__name(map),
		 info.max_entries);
	return bpf_map__set_max_entries(map, info.max_entries);
}

/* The pinned one's limit, where the new one's is not another for a reason. */
static int moved_limit(const struct datapath *dp, struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	return is_array(bpf_map__type(map)) || is_of_rules(name) || is_of_port_verdicts(name)
		       ? 0
		       : keep_limit(dp, map);
}

/* Every map pinned by its name; one that is adopted keeps the limit it has. */
int datapath_pins_name(struct datapath *dp)
{
	struct bpf_map *map;
	int result = 0;

	if (dp->migrates) {
		char *next = datapath_pin_path(dp, NEXT);

		result = mkdir(next, 0700) ? -errno : 0;
		free(next);
	}
	bpf_object__for_each_map(map, dp->skeleton->obj)
	{
		const char *name = bpf_map__name(map);
		bool moved = dp->migrates && fate_of(dp, map, dp->pinned_layout) == FATE_MOVED;
		char *path = moved ? memory_format("%s/" NEXT "/%s", dp->pin_directory, name)
				   : datapath_pin_path(dp, name);

		if (dp->adopted && !result)
			result = moved ? moved_limit(dp, map) : keep_limit(dp, map);
		result = result ? result : bpf_map__set_pin_path(map, path);
		free(path);
		if (result)
			break;
	}
	return result;
}

/* ---- the migration ---- */

/* One value, through all steps; 'value' has room for VALUE_MAX. */
static void convert(const char *map, uint32_t layout, uint8_t *value)
{
	uint8_t old[VALUE_MAX];

	for (; layout < DATAPLANE_LAYOUT; layout++) {
		const struct step *s = step_for(layout, map);

		if (!s)
			continue;
		memcpy(old, value, s->old_size);
		memset(value, 0, s->new_size);
		if (s->convert)
			s->convert(old, value);
		else
			memcpy(value, old, s->old_size);
	}
}

static uint32_t round_up(uint32_t size)
{
	return (size + 7) & ~7u;
}

/* What user space has of one element: a value, or one for each CPU. */
static unsigned copies_of(const struct datapath *dp, uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
			       type == BPF_MAP_TYPE_LRU_PERCPU_HASH
		       ? dp->cpus
		       : 1;
}

static int entries_move(const struct datapath *dp, const struct bpf_map *map, int from,
			const struct bpf_map_info *info)
{
	unsigned copies = copies_of(dp, info->type);
	uint32_t new_size = bpf_map__value_size(map);
	uint32_t old_stride = copies > 1 ? round_up(info->value_size) : info->value_size;
	uint32_t new_stride = copies > 1 ? round_up(new_size) : new_size;
	uint8_t *old = memory_alloc((size_t)copies * old_stride);
	uint8_t *new = memory_alloc((size_t)copies * new_stride);
	uint8_t *key = memory_alloc(info->key_size), *previous = NULL;
	uint8_t value[VALUE_MAX];
	/* A key that goes meanwhile starts the walk anew: bounded, so that it ends. */
	uint64_t left = 2ull * info->max_entries;
	int result = 0;

	while (left-- && !result && !bpf_map_get_next_key(from, previous, key)) {
		previous = key;
		if (bpf_map_lookup_elem(from, key, old))
			continue;
		for (unsigned i = 0; i < copies; i++) {
			memcpy(value, old + (size_t)i * old_stride, info->value_size);
			convert(bpf_map__name(map), dp->pinned_layout, value);
			memcpy(new + (size_t)i *new_stride, value, new_size);
		}
		result = bpf_map_update_elem(map_fd(map), key, new, 0);
	}
	free(old);
	free(new);
	free(key);
	/* Counts of refusals that have no room any more are in the totals. */
	return result == -E2BIG && is_of_port_verdicts(bpf_map__name(map)) ? 0 : result;
}

static int header_move(const struct datapath *dp)
{
	struct map_header h;
	uint32_t zero = 0;
	int fd = map_fd(dp->skeleton->maps.header);
	int result = bpf_map_lookup_elem(fd, &zero, &h);

	h.layout = DATAPLANE_LAYOUT;
	h.rule_sizes = DATAPATH_RULE_SIZES;
	return result ? result : bpf_map_update_elem(fd, &zero, &h, 0);
}

/* From the rename on the old maps do not count any more. */
static int commit(struct datapath *dp)
{
	char *next = datapath_pin_path(dp, NEXT), *done = datapath_pin_path(dp, MIGRATED);
	int result = header_move(dp);

	if (!result && rename(next, done))
		result = -errno;
	free(next);
	free(done);
	if (!result) {
		datapath_pins_recover(dp);
		unpin_old_bindings(dp);
	}
	return result;
}

static int bindings_migrate(struct datapath *dp)
{
	struct bpf_map_info info;
	struct map_header h = {};
	uint32_t zero = 0;
	int fd, result;

	if (dp->pinned_layout >= BINDINGS_LAYOUT)
		return datapath_bindings_move(dp);
	if (bpf_map_lookup_elem(map_fd(dp->skeleton->maps.header), &zero, &h) ||
	    !pin_info(dp, OLD_BINDINGS, &info, &fd))
		return -ENOENT;
	result = datapath_bindings_take_over(dp, fd, h.fe);
	close(fd);
	return result;
}

int datapath_pins_migrate(struct datapath *dp, struct reason *why)
{
	struct bpf_map *map;
	unsigned count = 0;
	int result = 0;

	if (!dp->migrates)
		return 0;
	bpf_object__for_each_map(map, dp->skeleton->obj)
	{
		struct bpf_map_info info;
		int fd;

		if (result || fate_of(dp, map, dp->pinned_layout) != FATE_MOVED ||
		    is_of_bindings(bpf_map__name(map)) ||
		    !pin_info(dp, bpf_map__name(map), &info, &fd))
			continue;
		if (!is_scratch(bpf_map__name(map)))
			result = entries_move(dp, map, fd, &info);
		close(fd);
		count++;
	}
	if (!result && dp->bindings_move)
		result = bindings_migrate(dp);
	result = result ? result : commit(dp);
	if (result)
		return reason_set(why, result,
				  "the pins in '%s' (layout %u) could not be brought to layout %u: "
				  "%s; they forward on, untouched",
				  dp->pin_directory, dp->pinned_layout, DATAPLANE_LAYOUT,
				  strerror(-result));
	log_info("took over layout %u as %u: %u maps made anew, the others used on",
		 dp->pinned_layout, DATAPLANE_LAYOUT, count);
	return 0;
}
