/* Key files on disk: nobody else may read them, neither while they are written nor after. */
#pragma once

#include "base/compiler.h"
#include "base/reason.h"

#include <stddef.h>

/* Makes the file, mode 0600, with all of 'text' on disk; -EEXIST if there is something of that name
 * (a key that is overwritten is lost). */
MUST_USE int file_write_secret(const char *path, const char *text, struct reason *why);
/* The text of a file that is nobody else's: -EPERM if others own it, or may read or
 * write it.  One that
 * systemd passes (LoadCredential=) may be its group's.  The caller wipes 'ret'. */
MUST_USE int file_read_secret(const char *path, char *ret, size_t size, struct reason *why);
/* The text of any file; "-" is standard input. */
MUST_USE int file_read(const char *path, char *ret, size_t size, struct reason *why);
