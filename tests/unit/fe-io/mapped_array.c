/* Arrays that are mapped where they are used, a file in a map's place; and the table of bindings in
 * two of them, against a writer that comes after. */
#include "fe/io/mapped_array.h"

#include "fe/io/binding_table.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1u << 20)

static int file_make(size_t size)
{
	int fd = memfd_create("array", 0);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static unsigned windows(const struct mapped_array *a)
{
	unsigned count = 0;

	for (size_t i = 0; i << a->shift < a->size; i++)
		count += mapped_array_has(a, i);
	return count;
}

static void what_nobody_wrote_is_zeros_and_not_mapped(void **state)
{
	int fd = file_make(3 * MIB);
	struct mapped_array a, b;

	assert_int_equal(mapped_array_open(&a, fd, 3 * MIB), 0);
	for (size_t i = 0; i < a.size; i += 100)
		assert_int_equal(a.base[i], 0);
	assert_int_equal(windows(&a), 0);
	assert_int_equal(mapped_array_reach(&a, a.base + MIB, 1), 0);
	a.base[MIB] = 7;
	assert_int_equal(windows(&a), 1);
	/* Across the end of a window: both. */
	assert_int_equal(mapped_array_reach(&a, a.base + 2 * MIB - 1, 2), 0);
	assert_int_equal(windows(&a), 3);
	assert_int_equal(mapped_array_reach(&a, a.base + a.size - 1, 1), 0);
	a.base[a.size - 1] = 9;

	/* One that comes later has what was written, and no more. */
	assert_int_equal(mapped_array_open(&b, fd, 3 * MIB), 0);
	assert_int_equal(mapped_array_find(&b), 0);
	assert_int_equal(windows(&b), 2);
	assert_int_equal(b.base[MIB], 7);
	assert_int_equal(b.base[b.size - 1], 9);
	assert_int_equal(b.base[0], 0);
	mapped_array_close(&a);
	mapped_array_close(&b);
	close(fd);
}

static void a_large_array_takes_no_more_than_a_thousand_mappings(void **state)
{
	size_t size = (size_t)700 * MIB + 12345;
	int fd = file_make(size + 4096);
	struct mapped_array a;

	assert_int_equal(mapped_array_open(&a, fd, size), 0);
	assert_true(a.size >> a.shift < 1024);
	assert_int_equal(mapped_array_reach(&a, a.base + size - 1, 1), 0);
	a.base[size - 1] = 1;
	mapped_array_close(&a);
	close(fd);
}

static void a_window_that_cannot_be_mapped_is_said(void **state)
{
	struct mapped_array a;

	assert_int_equal(mapped_array_open(&a, -1, MIB), 0);
	assert_int_equal(mapped_array_reach(&a, a.base, 1), -ENOMEM);
	assert_int_equal(a.base[0], 0);
	mapped_array_close(&a);
}

/* ---- the table ---- */

struct world {
	struct map_shape shape;
	int fd[2];
	struct mapped_array buckets, chunks;
	struct binding_table table;
};

/* Linux 6.1 asks the map only when it has taken away what was there. */
static void what_cannot_be_mapped_still_reads_as_zeros(void **state)
{
	int fd = memfd_create("array", MFD_ALLOW_SEALING);
	struct mapped_array a;

	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(mapped_array_open(&a, fd, MIB), 0);
	assert_int_equal(mapped_array_reach(&a, a.base, 1), -ENOMEM);
	assert_int_equal(a.base[0], 0);
	mapped_array_close(&a);
	close(fd);
}

static void no_grace(void)
{
}

static void world_attach(struct world *w, size_t buckets, size_t chunks, bool find)
{
	assert_int_equal(
		mapped_array_open(&w->buckets, w->fd[0], buckets * sizeof(struct map_bucket)), 0);
	assert_int_equal(mapped_array_open(&w->chunks, w->fd[1], chunks * sizeof(struct map_chunk)),
			 0);
	assert_int_equal(find ? mapped_array_find(&w->buckets) : 0, 0);
	binding_table_attach_mapped(&w->table, &w->shape, &w->buckets, &w->chunks, no_grace);
}

static void world_detach(struct world *w)
{
	binding_table_detach(&w->table);
	mapped_array_close(&w->buckets);
	mapped_array_close(&w->chunks);
}

static struct map_binding binding(uint32_t i)
{
	struct map_binding b = {
		.kind = i % 3 ? MAP_BINDING_RULE : MAP_BINDING_PAIR,
		.flags = i % 3 ? MAP_BINDING_FOREIGN : MAP_BINDING_LOCAL,
		.fe = (uint16_t)(i % 3 ? i % 1000 : 0),
		.port = 5,
	};

	memcpy(b.address, &i, sizeof(i));
	return b;
}

static void check(const struct world *w, uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++) {
		const struct map_binding asked = binding(i), *found;
		struct map_address_key key = {};

		memcpy(key.address, asked.address, sizeof(key.address));
		found = binding_table_get(&w->table, &key);
		assert_non_null(found);
		assert_int_equal(found->fe, asked.fe);
	}
	assert_int_equal(w->table.count, count);
}

static void a_table_maps_what_its_bindings_take_and_the_next_writer_finds_it(void **state)
{
	static const uint64_t keys[BINDING_WORDS + 1] = {3, 5, 7, 11, 13, 17};
	struct world w = {};
	uint32_t buckets, chunks;

	binding_table_sizes(200000, &buckets, &chunks);
	binding_table_format(&w.shape, 200000, keys);
	w.fd[0] = file_make((buckets * sizeof(struct map_bucket) + 4095) & ~4095ull);
	w.fd[1] = file_make((chunks * sizeof(struct map_chunk) + 4095) & ~4095ull);
	world_attach(&w, buckets, chunks, false);
	assert_int_equal(windows(&w.buckets) + windows(&w.chunks), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		const struct map_binding b = binding(i);

		assert_int_equal(binding_table_put(&w.table, &b), 0);
	}
	assert_in_range(windows(&w.buckets), 1, 3);
	assert_in_range(windows(&w.chunks), 2, 3);
	world_detach(&w);
	world_attach(&w, buckets, chunks, true);
	check(&w, 3);
	assert_in_range(windows(&w.chunks), 2, 3);
	for (uint32_t i = 4; i <= 150000; i++) {
		const struct map_binding b = binding(i);

		assert_int_equal(binding_table_put(&w.table, &b), 0);
	}
	check(&w, 150000);
	world_detach(&w);
	world_attach(&w, buckets, chunks, true);
	check(&w, 150000);
	world_detach(&w);
	close(w.fd[0]);
	close(w.fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_wrote_is_zeros_and_not_mapped),
		cmocka_unit_test(a_large_array_takes_no_more_than_a_thousand_mappings),
		cmocka_unit_test(a_window_that_cannot_be_mapped_is_said),
		cmocka_unit_test(what_cannot_be_mapped_still_reads_as_zeros),
		cmocka_unit_test(a_table_maps_what_its_bindings_take_and_the_next_writer_finds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
