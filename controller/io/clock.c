/* The controller's clock.  CLOCK_MONOTONIC drives the core; the calendar is sampled each time, so
 * that a corrected wall clock shows at once and never moves a timer. */
#include "controller/io/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
	return read_clock_ms(CLOCK_MONOTONIC);
}

int64_t clock_to_calendar_ms(int64_t at_ms)
{
	return at_ms - clock_now_ms() + read_clock_ms(CLOCK_REALTIME);
}

int64_t clock_from_calendar_ms(int64_t calendar_ms)
{
	return calendar_ms - read_clock_ms(CLOCK_REALTIME) + clock_now_ms();
}

const char *clock_format(int64_t at_ms, char text[CLOCK_TEXT_SIZE])
{
	int64_t calendar_ms = clock_to_calendar_ms(at_ms);
	time_t seconds = (time_t)(calendar_ms / 1000);
	struct tm day;
	char date[20];

	gmtime_r(&seconds, &day);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &day);
	snprintf(text, CLOCK_TEXT_SIZE, "%s.%03dZ", date, (int)(calendar_ms % 1000));
	return text;
}
