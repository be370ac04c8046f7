/* The last lines of each test program: the core logs what it refuses; a test is not interested. */
#pragma once

#include "base/log.h"

#define RUN_QUIETLY(tests)                                        \
	int main(void)                                            \
	{                                                         \
		log_set_level(LOG_LEVEL_ERROR);                   \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}
