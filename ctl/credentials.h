/* Where the controller is, and what shows it who we are: from the command line, else the
 * environment, else a file, each by itself.
 *
 *	--server       VICTOR_SERVER       server
 *	--ca           VICTOR_CA           ca            the CA that the controller's certificate is
 *of
 *	--certificate  VICTOR_CERTIFICATE  certificate   ours, and its key
 *	--key          VICTOR_KEY          key
 *	--token-file   VICTOR_TOKEN_FILE   token_file    a file with a token in its first line
 *
 * The file is VICTOR_CONFIG, else ~/.config/victor/victorctl.yaml, else /etc/victor/victorctl.yaml.
 */
#pragma once

#include "base/compiler.h"
#include "base/reason.h"

#include <stddef.h>

#define TOKEN_TEXT_MAX 400

struct credentials {
	char *server, *ca, *certificate, *key, *token_file;
	char *token; /* what token_file has */
};

/* Fills in what is NULL and reads the token.  What is there must have been allocated; finish frees
 * all, also after a refusal. */
MUST_USE int credentials_complete(struct credentials *c, struct reason *why);
void credentials_finish(struct credentials *c);

/* The token in a file's text: its first line without space around; NULL with a reason: there is
 * none, or it has what no token has.  The caller frees it. */
char *credentials_token(const char *path, const char *text, size_t size, struct reason *why);
