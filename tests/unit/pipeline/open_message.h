/* What both tests of experimenter messages begin with. */
#pragma once

#include "pipeline/experimenter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The body of the one message in 'b', behind its type, which must be 'type'. */
static inline struct reader open_message(const struct buffer *b, enum experimenter_type type)
{
	struct reader rd = reader_make(b->data, b->size);
	struct ofp_header header;
	enum experimenter_type met;

	assert_int_equal(ofp_header_decode(&rd, &header), 0);
	assert_int_equal(header.type, OFPT_EXPERIMENTER);
	assert_int_equal(header.size, b->size);
	assert_int_equal(header.xid, 77);
	assert_int_equal(experimenter_decode(&rd, &met), 0);
	assert_int_equal(met, type);
	return rd;
}
