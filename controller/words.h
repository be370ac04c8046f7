/* A short list of words, as text with a comma between them: labels, sites, patterns of ports'
 * names.  A struct compares bytewise: what is behind the text is zero. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>

#define WORDS_SIZE 96 /* of a list as text, with its end */
#define WORD_SIZE 64  /* of a word, with its end */

struct words {
	char text[WORDS_SIZE];
};

enum words_kind {
	WORDS_NAMES,    /* letters, digits, '-', '_', '.' */
	WORDS_LABELS,   /* "web", "tenant=red": names with at most one '=' between */
	WORDS_PATTERNS, /* names of devices, with '*', '?' and '[...]' as in file names */
};

/* -EINVAL: no such word; -EEXIST: it is there; -E2BIG: no room. */
MUST_USE int words_add(struct words *w, enum words_kind kind, const char *word);
/* Of the whole list, as text: what words_add would have made of it.  "" is good. */
MUST_USE int words_parse(struct words *w, enum words_kind kind, const char *text);
/* What follows reads the text of a list.
 *
 * The next word into 'ret'; begins with *at = 0; false at the end. */
bool words_next(const char *list, unsigned *at, char ret[WORD_SIZE]);
bool words_has(const char *list, const char *word);
/* One of the patterns matches. */
bool words_match(const char *patterns, const char *text);
/* They have one in common. */
bool words_meet(const char *a, const char *b);
