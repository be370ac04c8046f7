/* The reader of a BPF ring: a file takes the kernel's place, with the records where it has them. */
#include "fe/io/upcall_ring.h"

#include "base/memory.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE (256u << 10)

struct writer {
	int fd;
	size_t page;
	uint8_t *memory; /* the whole of it */
	unsigned long position;
	uint32_t number;
};

static void writer_open(struct writer *w, struct upcall_ring *r)
{
	*w = (struct writer){.page = (size_t)sysconf(_SC_PAGESIZE)};
	w->fd = memfd_create("ring", 0);
	assert_int_equal(ftruncate(w->fd, (off_t)(2 * w->page + 2 * SIZE)), 0);
	w->memory =
		mmap(NULL, 2 * w->page + 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	assert_ptr_not_equal(w->memory, MAP_FAILED);
	assert_int_equal(upcall_ring_open(r, w->fd, SIZE), 0);
}

static void writer_close(struct writer *w, struct upcall_ring *r)
{
	upcall_ring_close(r);
	munmap(w->memory, 2 * w->page + 2 * SIZE);
	close(w->fd);
}

/* Both places of a byte, as the kernel's mapping has them. */
static void put(struct writer *w, size_t at, const void *bytes, size_t size)
{
	uint8_t *data = w->memory + 2 * w->page;

	for (size_t i = 0; i < size; i++)
		data[(at + i) % SIZE] = data[(at + i) % SIZE + SIZE] = ((const uint8_t *)bytes)[i];
}

/* A record of so many bytes, all of them its number's last; 'bits' of the header. */
static void write_record(struct writer *w, uint32_t size, uint32_t bits)
{
	uint32_t head[2] = {size | bits};
	uint8_t *bytes = memory_alloc(size);

	memset(bytes, (uint8_t)w->number++, size);
	put(w, w->position, head, sizeof(head));
	put(w, w->position + sizeof(head), bytes, size);
	free(bytes);
	w->position += (sizeof(head) + size + 7) / 8 * 8;
	memcpy(w->memory + w->page, &w->position, sizeof(w->position));
}

struct heard {
	uint32_t count, next;
	size_t bytes;
};

static void on_record(void *to, const void *data, size_t size)
{
	struct heard *h = to;

	for (size_t i = 0; i < size; i++)
		assert_int_equal(((const uint8_t *)data)[i], (uint8_t)h->next);
	h->next++;
	h->count++;
	h->bytes += size;
}

static void records_are_read_in_turn_round_the_end_of_the_ring(void **state)
{
	struct heard heard = {};
	struct upcall_ring r;
	struct writer w;
	size_t bytes = 0;

	writer_open(&w, &r);
	for (uint32_t round = 0; round < 500; round++) {
		for (uint32_t i = 0; i < 50; i++) {
			uint32_t size = (round * 50 + i) * 37 % 1200;

			write_record(&w, size, 0);
			bytes += size;
		}
		upcall_ring_consume(&r, on_record, &heard);
		assert_int_equal(heard.count, 50 * (round + 1));
		assert_int_equal(*r.consumer, w.position);
	}
	assert_int_equal(heard.bytes, bytes);
	assert_true(w.position > 10 * SIZE);
	writer_close(&w, &r);
}

/* Moving the window costs as much as a handoff's first message. */
static void the_next_record_s_place_is_mapped_when_the_one_before_was_read(void **state)
{
	struct heard heard = {};
	struct upcall_ring r;
	struct writer w;
	size_t at;

	writer_open(&w, &r);
	while (w.position < 3 * SIZE) {
		write_record(&w, 1200, 0);
		upcall_ring_consume(&r, on_record, &heard);
		at = w.position % SIZE;
		assert_in_range(at, r.window_at, r.window_at + r.window_size - 1500);
	}
	writer_close(&w, &r);
}

static void a_record_larger_than_a_window_is_read_whole(void **state)
{
	struct heard heard = {};
	struct upcall_ring r;
	struct writer w;

	writer_open(&w, &r);
	for (unsigned i = 0; i < 7; i++) {
		write_record(&w, SIZE / 2 - 24, 0);
		write_record(&w, 8, 0);
		upcall_ring_consume(&r, on_record, &heard);
		assert_int_equal(heard.count, 2 * (i + 1));
	}
	writer_close(&w, &r);
}

static void what_is_not_complete_is_waited_for_and_what_is_discarded_passed_over(void **state)
{
	struct heard heard = {};
	struct upcall_ring r;
	uint32_t head = 100;
	struct writer w;
	size_t at;

	writer_open(&w, &r);
	write_record(&w, 100, 0);
	at = w.position;
	write_record(&w, 100, BPF_RINGBUF_BUSY_BIT);
	write_record(&w, 100, 0);
	upcall_ring_consume(&r, on_record, &heard);
	assert_int_equal(heard.count, 1);
	upcall_ring_consume(&r, on_record, &heard);
	assert_int_equal(heard.count, 1);
	put(&w, at, &head, sizeof(head));
	write_record(&w, 300, BPF_RINGBUF_DISCARD_BIT);
	upcall_ring_consume(&r, on_record, &heard);
	assert_int_equal(heard.count, 3);
	heard.next++; /* the discarded one */
	write_record(&w, 50, 0);
	upcall_ring_consume(&r, on_record, &heard);
	assert_int_equal(heard.count, 4);
	writer_close(&w, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read_in_turn_round_the_end_of_the_ring),
		cmocka_unit_test(the_next_record_s_place_is_mapped_when_the_one_before_was_read),
		cmocka_unit_test(a_record_larger_than_a_window_is_read_whole),
		cmocka_unit_test(
			what_is_not_complete_is_waited_for_and_what_is_discarded_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
