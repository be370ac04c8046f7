/* Covered prefixes as kernel routes, for a routing daemon beside us (FRR, BIRD) to announce:
 * protocol 86 ("victor"), type unreachable, in a table of their own (86), which no packet is looked
 * up in. docs/configuration-fe.md shows how FRR and BIRD read it. */
#pragma once

#include "base/address.h"
#include "base/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define ANNOUNCE_PROTOCOL 86
#define ANNOUNCE_TABLE 86

struct announcer;

/* In this thread's network namespace.  Adopts the routes that an earlier run left.  Returns 0 or
 * -errno. */
MUST_USE int announcer_open(struct announcer **ret);
/* The routes stay, as the data plane does.  Accepts NULL. */
void announcer_close(struct announcer *a);
/* Removes every route of ours. */
void announcer_withdraw_all(struct announcer *a);

/* A prefix of VRF 0 is covered, or not any more. */
void announcer_set(struct announcer *a, const struct prefix *prefix, bool covered);
/* Whether an earlier run left routes of ours. */
bool announcer_has_adopted(const struct announcer *a);
/* Makes the kernel's routes what they should be: the covered prefixes if 'active', else none.
 * To be called often: does nothing where nothing changed. */
void announcer_update(struct announcer *a, bool active);
/* Removes the routes of the same prefixes that FRR had put into the main table, and left there when
 * it died: started again, it takes them for somebody else's, prefers them to table 86's, and
 * announces nothing (FRR 8.4). */
void announcer_clean_main(struct announcer *a);
/* What an earlier run announced and nobody has set since may go from now on. */
void announcer_adopt_done(struct announcer *a);
