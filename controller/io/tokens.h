/* Bearer tokens: 256 random bits each, of which only a hash (BLAKE2b) is kept, in a file of one
 *line for each token:
 *
 *	victor-tokens 1
 *	NAME ROLE CREATED EXPIRES HASH      (seconds since 1970; 0: never; 64 hex digits)
 *
 * A token is 'victor_' and 64 hex digits.  Whoever reads the file has no token; guessing one is
 * hopeless, so no salt and no slow hash are needed.  All functions may be called from any thread;
 * those that write the file wait for the disk. */
#pragma once

#include "controller/io/access.h"

#include <stddef.h>

#define TOKENS_MAX 1024
#define TOKEN_NAME_SIZE 33
#define TOKEN_TEXT_SIZE 72
#define TOKEN_HASH_SIZE 32

struct token {
	char name[TOKEN_NAME_SIZE]; /* letters, digits, '-', '_', '.' */
	enum role role;
	int64_t created_s, expires_s, used_s; /* 0: never; 'used' is not kept in the file */
	uint8_t hash[TOKEN_HASH_SIZE];
};

struct tokens;

/* Reads DIRECTORY/tokens; none is fine.  Refused with a reason: what is not understood, what others
 * than the owner may read. */
MUST_USE int tokens_open(const char *directory, struct tokens **ret, struct reason *why);
/* Accepts NULL. */
void tokens_close(struct tokens *t);

/* The role of a token, and its name, where it is one and has not expired; else ROLE_NONE.  Takes as
 * long for a wrong one as for each other. */
enum role tokens_find(struct tokens *t, const char *text, int64_t now_s,
		      char ret_name[TOKEN_NAME_SIZE]);
/* A new one; 'text' gets it, and nobody can get it again.  0 once it is durable; -EINVAL, -EEXIST,
 * -ENOSPC, or the file's error: then there is no such token. */
MUST_USE int tokens_create(struct tokens *t, const char *name, enum role role, int64_t expires_s,
			   int64_t now_s, char text[TOKEN_TEXT_SIZE], struct reason *why);
/* It ends at once, and durably when 0 is returned; -ENOENT. */
MUST_USE int tokens_revoke(struct tokens *t, const char *name, struct reason *why);
/* Copies of all, for showing; the caller frees. */
struct token *tokens_list(struct tokens *t, unsigned *ret_count);

/* The file's text into at most TOKENS_MAX tokens; -EINVAL with the line. */
MUST_USE int tokens_parse(const char *path, const char *text, size_t size, struct token *ret,
			  unsigned *ret_count, struct reason *why);
