/* See mapped_array.h. */
#include "fe/io/mapped_array.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW_SHIFT 16
#define WINDOWS_MAX 1024 /* a process may have so many mappings, many times */

static size_t window_size(const struct mapped_array *a, size_t window)
{
	size_t rest = a->size - (window << a->shift), whole = (size_t)1 << a->shift;

	return rest < whole ? rest : whole;
}

/* Reads give the kernel's one page of zeros, which counts as nobody's. */
static void *reserve(void *at, size_t size, int flags)
{
	return mmap(at, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1,
		    0);
}

int mapped_array_open(struct mapped_array *a, int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *base;

	*a = (struct mapped_array){.fd = fd, .shift = WINDOW_SHIFT};
	a->size = (size + page - 1) / page * page;
	while (a->size >> a->shift >= WINDOWS_MAX)
		a->shift++;
	base = reserve(NULL, a->size, 0);
	if (base == MAP_FAILED)
		return -errno;
	a->base = base;
	a->window = memory_alloc_array(WINDOWS_MAX / 64, sizeof(*a->window));
	return 0;
}

int mapped_array_map(struct mapped_array *a, size_t first, size_t last)
{
	for (size_t i = first; i <= last; i++) {
		size_t offset = i << a->shift, size = window_size(a, i);

		if (mapped_array_has(a, i))
			continue;
		if (mmap(a->base + offset, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 a->fd, (off_t)offset) == MAP_FAILED) {
			/* What was there may be gone, and is still to read as zeros. */
			(void)reserve(a->base + offset, size, MAP_FIXED);
			return -ENOMEM;
		}
		a->window[i / 64] |= UINT64_C(1) << i % 64;
	}
	return 0;
}

static bool is_zeros(const uint8_t *bytes, size_t size)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

int mapped_array_find(struct mapped_array *a)
{
	for (size_t i = 0; i << a->shift < a->size; i++) {
		uint8_t *at = a->base + (i << a->shift);
		int result = mapped_array_map(a, i, i);

		if (result)
			return result;
		if (!is_zeros(at, window_size(a, i)))
			continue;
		if (reserve(at, window_size(a, i), MAP_FIXED) == MAP_FAILED)
			return -errno;
		a->window[i / 64] &= ~(UINT64_C(1) << i % 64);
	}
	return 0;
}

void mapped_array_close(struct mapped_array *a)
{
	if (a->base)
		munmap(a->base, a->size);
	free(a->window);
	*a = (struct mapped_array){.fd = -1};
}
