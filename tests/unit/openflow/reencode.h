/* Decodes one whole message and encodes what was understood: for golden tests and fuzzers. */
#pragma once

#include "base/wire.h"

/* Appends to 'out'.  0; a decoder's error; 1 for a type that has no decoder. */
MUST_USE int reencode(const uint8_t *bytes, size_t size, struct buffer *out);
