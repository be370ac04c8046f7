/* SipHash-2-4 against the vectors of its paper (appendix A). */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_papers_vectors_come_out(void **state)
{
	uint8_t key[SIPHASH_KEY_SIZE], bytes[15];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	assert_true(siphash(key, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
	assert_true(siphash(key, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
	assert_true(siphash(key, bytes, 8) == UINT64_C(0x93f5f5799a932462));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_papers_vectors_come_out)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
