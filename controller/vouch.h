/* Certificates' words against elements' (core.h: core_session_vouch). */
#pragma once

#include "controller/state.h"

/* 0 where the session's id, and the name where it is not NULL, are those of its certificate, or it
 * has none; else -ECONNRESET: counted, and the session is doomed. */
MUST_USE int vouch_check(struct session *s, const char *name);
