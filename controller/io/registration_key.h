/* The controller's own key for signed registrations (docs/registration.md): a file that only its
 * owner may read. */
#pragma once

#include "controller/io/config.h"

/* The file that the config names, or STATE/registration.key, which is made where it is missing.
 * -EACCES where others may read it, -EINVAL for what is no private Ed25519 key. */
MUST_USE int registration_key_load(const struct config *config, struct sign_key *ret,
				   struct reason *why);
