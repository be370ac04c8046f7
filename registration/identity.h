/* A key file's text: who signs, with what, and whose answers are believed.
 *
 *	node: vm1
 *	device: tv                      (a node with several devices)
 *	key: ed25519-private:...
 *	controller: ed25519-public:...  (not with blake2b: the key is both ends')
 *
 * '#' begins a comment.  Pure. */
#pragma once

#include "base/reason.h"
#include "registration/sign.h"

#define IDENTITY_TEXT_MAX 1024

struct identity {
	char node[REGISTRATION_NAME_SIZE], device[REGISTRATION_NAME_SIZE];
	struct sign_key key;        /* signs */
	struct sign_key controller; /* checks; of BLAKE2B the same */
};

/* -EINVAL, with the line in 'why', and never a key.  The caller wipes the text, and *ret by
 * identity_wipe. */
MUST_USE int identity_parse(const char *text, struct identity *ret, struct reason *why);
/* Whether it is enough to speak with: a new Ed25519 key may lack the controller's.  -EINVAL. */
MUST_USE int identity_check(const struct identity *id, struct reason *why);
/* With a line that says what it is.  Without a controller's key the line is left out. */
void identity_format(const struct identity *id, char text[IDENTITY_TEXT_MAX]);
void identity_wipe(struct identity *id);

/* A grant as text that can be copied: "victor-grant:" and Base64. */
MUST_USE int grant_to_text(const struct buffer *grant, char *text, size_t size);
/* Appends the bytes; spaces and a newline around it do not hurt.  -EINVAL. */
MUST_USE int grant_from_text(const char *text, struct buffer *ret);
