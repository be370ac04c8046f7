/* Heap allocation that cannot fail: out of memory aborts (the store and the FEs' own tables are
 * the recovery).  A size that a peer chose is bounded by the caller before it comes here. */
#pragma once

#include "base/compiler.h"

#include <stddef.h>

/* Each returns memory that the caller frees with free(); the first two are zeroed. */
MUST_USE void *memory_alloc(size_t size);
MUST_USE void *memory_alloc_array(size_t count, size_t size);
MUST_USE void *memory_resize(void *old, size_t size);
MUST_USE void *memory_copy(const void *bytes, size_t size);
MUST_USE char *memory_copy_text(const char *text);
MUST_USE char *memory_format(const char *format, ...) PRINTF_LIKE(1, 2);
