/* The agent's clock: milliseconds that never jump (what the core calls now_ms). */
#pragma once

#include <stdint.h>
#include <uv.h>

static inline int64_t clock_now_us(void)
{
	return (int64_t)(uv_hrtime() / 1000);
}

static inline int64_t clock_now_ms(void)
{
	return (int64_t)(uv_hrtime() / 1000000);
}
