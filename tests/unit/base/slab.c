/* Blocks of a slab: whole, apart from each other, used again. */
#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4000

#include <cmocka.h>

static bool is_filled(const uint8_t *block, uint8_t with, size_t size)
{
	while (size && block[size - 1] == with)
		size--;
	return size == 0;
}

static void blocks_are_zeroed_and_do_not_touch_each_other(void **state)
{
	static struct {
		uint32_t block;
		size_t size;
	} model[BLOCKS];
	struct slab s;

	srand(3);
	slab_init(&s);
	memset(model, 0, sizeof(model));
	for (unsigned step = 0; step < 60000; step++) {
		unsigned i = (unsigned)rand() % BLOCKS;

		if (model[i].block) {
			assert_true(
				is_filled(slab_at(&s, model[i].block), (uint8_t)i, model[i].size));
			slab_give(&s, model[i].block, model[i].size);
			model[i].block = 0;
			continue;
		}
		model[i].size = 1 + (size_t)rand() % (rand() % 50 ? 100 : SLAB_LARGEST);
		model[i].block = slab_take(&s, model[i].size);
		assert_int_not_equal(model[i].block, 0);
		assert_int_equal((uintptr_t)slab_at(&s, model[i].block) % SLAB_UNIT, 0);
		assert_true(is_filled(slab_at(&s, model[i].block), 0, model[i].size));
		memset(slab_at(&s, model[i].block), (int)(uint8_t)i, model[i].size);
	}
	slab_finish(&s);
}

static void what_was_given_back_is_taken_again(void **state)
{
	struct slab s;
	uint32_t first, second;

	slab_init(&s);
	first = slab_take(&s, 33);
	slab_give(&s, first, 33);
	second = slab_take(&s, 40); /* the same number of units */
	assert_int_equal(first, second);
	slab_give(&s, second, 40);
	slab_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_zeroed_and_do_not_touch_each_other),
		cmocka_unit_test(what_was_given_back_is_taken_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
