/* Lists of words as text: short enough to be copied with what they belong to, and kept in the store
 * as they are. */
#include "controller/words.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

static bool is_name_character(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       ch == '-' || ch == '_' || ch == '.';
}

static bool is_good(enum words_kind kind, const char *word, size_t size)
{
	unsigned equals = 0;

	for (size_t i = 0; i < size; i++) {
		bool between = i > 0 && i + 1 < size;

		if (is_name_character(word[i]))
			continue;
		if (kind == WORDS_LABELS && word[i] == '=' && between && !equals++)
			continue;
		if (kind == WORDS_PATTERNS && strchr("*?[]!@:", word[i]))
			continue;
		return false;
	}
	return size > 0 && size < WORD_SIZE;
}

static bool has(const char *list, const char *word, size_t size)
{
	for (const char *at = list; *at;) {
		size_t length = strcspn(at, ",");

		if (length == size && memcmp(at, word, size) == 0)
			return true;
		at += length + (at[length] == ',');
	}
	return false;
}

static int add(struct words *w, enum words_kind kind, const char *word, size_t size)
{
	size_t used = strlen(w->text);

	if (!is_good(kind, word, size))
		return -EINVAL;
	if (has(w->text, word, size))
		return -EEXIST;
	if (used + (used > 0) + size >= WORDS_SIZE)
		return -E2BIG;
	if (used)
		w->text[used++] = ',';
	memcpy(w->text + used, word, size);
	return 0;
}

int words_add(struct words *w, enum words_kind kind, const char *word)
{
	return add(w, kind, word, strlen(word));
}

int words_parse(struct words *w, enum words_kind kind, const char *text)
{
	int r = 0;

	*w = (struct words){""};
	while (*text && r == 0) {
		size_t size = strcspn(text, ",");

		r = add(w, kind, text, size);
		text += size;
		if (*text && !*++text)
			r = -EINVAL; /* a comma at the end */
	}
	return r;
}

bool words_next(const char *list, unsigned *at, char ret[WORD_SIZE])
{
	const char *text = list + *at;
	size_t size = strcspn(text, ",");

	if (!*text || size >= WORD_SIZE)
		return false;
	memcpy(ret, text, size);
	ret[size] = '\0';
	*at += (unsigned)size + (text[size] == ',');
	return true;
}

bool words_has(const char *list, const char *word)
{
	return has(list, word, strlen(word));
}

bool words_match(const char *patterns, const char *text)
{
	char pattern[WORD_SIZE];
	unsigned at = 0;

	while (words_next(patterns, &at, pattern))
		if (fnmatch(pattern, text, 0) == 0)
			return true;
	return false;
}

bool words_meet(const char *a, const char *b)
{
	char word[WORD_SIZE];
	unsigned at = 0;

	while (words_next(a, &at, word))
		if (words_has(b, word))
			return true;
	return false;
}
