/* Lines to stderr for journald or a terminal.  The level and the program's name are the only
 * mutable statics of the tree, set once by a main. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES_PER_SECOND 5

/* The only mutable statics of the tree: who we are, and how much to say. */
static const char *program_name = "victor";
static enum log_level current_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int journal_priority[] = {3, 4, 6, 7};

void log_start(const char *program, enum log_level level)
{
	program_name = program;
	current_level = level;
	setvbuf(stderr, NULL, _IOLBF, 0);
}

void log_set_level(enum log_level level)
{
	current_level = level;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return level <= current_level;
}

static PRINTF_LIKE(3, 0) void write_line(const char *module, enum log_level level,
					 const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	if (getenv("JOURNAL_STREAM")) {
		fprintf(stderr, "<%d>%s: %s\n", journal_priority[level], module, text);
		return;
	}
	struct timespec now;
	struct tm day;
	char clock[16];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &day);
	strftime(clock, sizeof(clock), "%H:%M:%S", &day);
	fprintf(stderr, "%s.%06ld %s %-5s %s: %s\n", clock, now.tv_nsec / 1000, program_name,
		level_names[level], module, text);
}

void log_write(const char *module, enum log_level level, const char *format, ...)
{
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	write_line(module, level, format, args);
	va_end(args);
}

bool log_limit_pass(struct log_limit *limit)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (limit->second != now.tv_sec) {
		limit->second = now.tv_sec;
		limit->lines = 0;
	}
	if (limit->lines >= LINES_PER_SECOND) {
		limit->held++;
		return false;
	}
	limit->lines++;
	return true;
}

void log_write_limited(struct log_limit *limit, const char *module, enum log_level level,
		       const char *format, ...)
{
	va_list args;

	if (!log_enabled(level) || !log_limit_pass(limit))
		return;
	if (limit->held) {
		log_write(module, level, "(%u lines like the next were held back)", limit->held);
		limit->held = 0;
	}
	va_start(args, format);
	write_line(module, level, format, args);
	va_end(args);
}
