/* The audit log: who changed what, from where, with which result.  DIRECTORY/audit.log, one JSON
 * object a line, synced to disk; a full file becomes audit.log.1 and so on, the oldest goes, so
 * that AUDIT_FILES times AUDIT_FILE_SIZE is the most that it takes.
 *
 * A thread of its own writes; nothing here waits for the disk but audit_open and audit_close. */
#pragma once

#include "base/reason.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

#define AUDIT_FILE_SIZE (4u << 20)
#define AUDIT_FILES 5
#define AUDIT_WAITING_MAX 4096 /* lines; more are not kept, but counted */

struct audit;

MUST_USE int audit_open(const char *directory, struct audit **ret, struct reason *why);
/* Writes what waits.  Accepts NULL. */
void audit_close(struct audit *a);

/* 'line' (without its newline) is copied.  'done' (may be NULL) is called on the audit thread: 0
 * once the line is on disk, or a negative errno.  From any thread. */
void audit_add(struct audit *a, const char *line, void (*done)(void *to, int result), void *to);
/* The last lines, at most 'count', oldest first, each with its newline, and what was asked to be
 * written before is among them.  On the audit thread; 'lines' is borrowed. */
void audit_read(struct audit *a, unsigned count, void (*done)(void *to, const struct buffer *lines),
		void *to);
/* Calls 'work' on the audit thread: for other small things that wait for the disk.  False: too much
 * waits already. */
MUST_USE bool audit_do(struct audit *a, void (*work)(void *to), void *to);
/* Lines that are not in the log because the disk did not take them, or too many came. */
uint64_t audit_lost(const struct audit *a);
