/* What was refused, to whom, where, how often: for people.  Each refusal names the rule that it
 * broke; docs/admission.md lists the rules. */
#pragma once

#include "controller/state.h"

#define REFUSALS_MAX 4096       /* entries; the counts by rule never forget */
#define REFUSALS_EACH_MAX 64    /* for one rule at one port: what one neighbour can fill */
#define REFUSAL_RULES_MAX 128   /* rules are words of this program's: not so many */
#define REFUSAL_QUIET_MS 600000 /* who goes on for so long is said again */

void refusal_init(struct core *c, uint64_t seed);
void refusal_finish(struct core *c);
/* Counts; makes an event, and so a line in the log, the first time and then every ten minutes.
 * 'why' is the rule ("wrong-mac"), a word of ours; 'who' an address, MAC, user or peer, in any
 * bytes.  'e' may be NULL, 'port' 0.  'text' is one line that says all. */
void report_refusal(struct core *c, const char *why, const char *who, const struct element *e,
		    uint32_t port, const char *text);
