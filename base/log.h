/* One line to stderr for each event that somebody decided on, for journald: priority prefix
 * "<N>" (sd-daemon(3)) when stderr is the journal, else time and level.  Libraries and models
 * return; the daemon that decides logs, once.  Whatever a peer can trigger uses the _rl forms.
 *
 *	LOG_MODULE("southbound");
 *	log_warn("element %s: flow-mod refused: %s", name, error_string(r));
 */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* At most 'burst' lines in each second from one place in the code; the next line that passes
 * says how many were held back. */
struct log_limit {
	int64_t second;
	unsigned lines, held;
};

#define LOG_MODULE(name) static const char log_module_name[] UNUSED = name

/* Name shown in each line ("victor-fe"); the level from which lines are written. */
void log_start(const char *program, enum log_level level);
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug" -> level; -EINVAL otherwise. */
MUST_USE int log_level_parse(const char *text, enum log_level *ret);
bool log_enabled(enum log_level level);

void log_write(const char *module, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
bool log_limit_pass(struct log_limit *limit);
void log_write_limited(struct log_limit *limit, const char *module, enum log_level level,
		       const char *format, ...) PRINTF_LIKE(4, 5);

#define log_error(...) log_write(log_module_name, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(log_module_name, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(log_module_name, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                            \
	do {                                                                      \
		if (log_enabled(LOG_LEVEL_DEBUG))                                 \
			log_write(log_module_name, LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

#define LOG_RL(level, ...)                                                               \
	do {                                                                             \
		static struct log_limit log_limit_here;                                  \
		log_write_limited(&log_limit_here, log_module_name, level, __VA_ARGS__); \
	} while (0)
#define log_warn_rl(...) LOG_RL(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info_rl(...) LOG_RL(LOG_LEVEL_INFO, __VA_ARGS__)
