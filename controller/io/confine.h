/* Gives up what the controller needs no more. */
#pragma once

#include "controller/io/config.h"

/* Before the first thread is started; what needs more than this configuration does was opened
 * before. */
MUST_USE int confine(const struct config *config, struct reason *why);
