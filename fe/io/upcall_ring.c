/* A page with the reader's position, one with the writer's, and the records, behind which the
 * kernel maps them once more: none is cut by the end.  In front of each are its size with two bits,
 * and where its page is (linux/bpf.h, kernel/bpf/ringbuf.c). */
#include "fe/io/upcall_ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW (64 << 10)
#define AHEAD (WINDOW / 4)

int upcall_ring_open(struct upcall_ring *r, int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer, *producer;

	*r = (struct upcall_ring){.fd = fd, .page = page, .size = size};
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	r->consumer = consumer;
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED)
		return -errno;
	r->producer = producer;
	return 0;
}

static void window_close(struct upcall_ring *r)
{
	if (r->window)
		munmap((void *)(uintptr_t)r->window, r->window_size);
	r->window = NULL;
}

void upcall_ring_close(struct upcall_ring *r)
{
	if (r->consumer)
		munmap(r->consumer, r->page);
	if (r->producer)
		munmap((void *)(uintptr_t)r->producer, r->page);
	window_close(r);
	*r = (struct upcall_ring){.fd = -1};
}

/* Where in this process 'size' bytes of the ring are; NULL: they cannot be mapped now. */
static const uint8_t *look(struct upcall_ring *r, size_t at, size_t size)
{
	size_t end = 2 * r->size; /* with the repetition */
	void *window;

	if (r->window && at >= r->window_at && at + size <= r->window_at + r->window_size)
		return r->window + (at - r->window_at);
	window_close(r);
	r->window_at = at / r->page * r->page;
	r->window_size = at + size - r->window_at;
	r->window_size = r->window_size > WINDOW
				 ? (r->window_size + r->page - 1) / r->page * r->page
				 : WINDOW;
	if (r->window_size > end - r->window_at)
		r->window_size = end - r->window_at;
	if (at + size > r->window_at + r->window_size)
		return NULL;
	window = mmap(NULL, r->window_size, PROT_READ, MAP_SHARED, r->fd,
		      (off_t)(2 * r->page + r->window_at));
	if (window == MAP_FAILED)
		return NULL;
	r->window = window;
	return r->window + (at - r->window_at);
}

/* The next record, if there is one; its whole size. */
static size_t consume_one(struct upcall_ring *r, unsigned long position,
			  void (*each)(void *to, const void *data, size_t size), void *to)
{
	size_t at = position & (r->size - 1), size;
	const uint8_t *record = look(r, at, BPF_RINGBUF_HDR_SZ);
	uint32_t head;

	if (!record)
		return 0;
	head = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
	if (head & BPF_RINGBUF_BUSY_BIT)
		return 0;
	size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
		record = look(r, at, BPF_RINGBUF_HDR_SZ + size);
		if (!record)
			return 0;
		each(to, record + BPF_RINGBUF_HDR_SZ, size);
	}
	return (BPF_RINGBUF_HDR_SZ + size + 7) / 8 * 8;
}

/* Moving the window takes as long as a packet-in's way: after a record that was dealt with, not in
 * front of the next one. */
static void look_ahead(struct upcall_ring *r, unsigned long position)
{
	if (r->window)
		(void)look(r, position & (r->size - 1), r->size < AHEAD ? r->size : AHEAD);
}

void upcall_ring_consume(struct upcall_ring *r,
			 void (*each)(void *to, const void *data, size_t size), void *to)
{
	unsigned long position = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	size_t taken = 1;

	/* The writer looks whether all was read before it wakes us, so we look again at the end. */
	while (taken && position < __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) {
		taken = consume_one(r, position, each, to);
		position += taken;
		if (taken)
			__atomic_store_n(r->consumer, position, __ATOMIC_SEQ_CST);
	}
	look_ahead(r, position);
}
