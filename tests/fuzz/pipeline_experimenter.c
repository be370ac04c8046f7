/* pipeline/experimenter: any body of an OFPT_EXPERIMENTER message. */
#include "pipeline/experimenter.h"
#include "pipeline/summary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
	if (!memchr(text, 0, size))
		abort();
}

static void check_link(const struct link_info *l)
{
	struct buffer b = {0};
	struct link_info again;
	enum experimenter_type type;
	struct reader rd;

	link_set_encode(&b, 1, l);
	rd = reader_make(b.data + 8, b.size - 8);
	if (experimenter_decode(&rd, &type) < 0 || link_set_decode(&rd, &again) < 0 ||
	    !link_info_equal(l, &again))
		abort();
	buffer_finish(&b);
}

static void decode_link(enum experimenter_type type, struct reader *rd)
{
	struct link_info info;
	struct link_state state;
	uint32_t number;
	bool more;

	if (type == EXPERIMENTER_LINK_SET && link_set_decode(rd, &info) == 0)
		check_link(&info);
	if (type == EXPERIMENTER_LINK_DELETE)
		(void)!link_delete_decode(rd, &number);
	if (type == EXPERIMENTER_LINK_STATE)
		(void)!link_state_decode(rd, &state);
	if (type == EXPERIMENTER_LINKS_REPLY && links_reply_begin(rd, &more) == 0)
		while (links_next(rd, &info, &state) > 0)
			check_link(&info);
}

/* What is read is written the same again. */
static void check_again(const struct buffer *b, const uint8_t *body, size_t size)
{
	if (b->size != 16 + size || memcmp(b->data + 16, body, size) != 0)
		abort();
}

static void decode_summary(enum experimenter_type type, struct reader *rd)
{
	static struct summary_bucket buckets[SUMMARY_BUCKETS_MAX];
	const uint8_t *body = rd->at;
	size_t size = reader_left(rd);
	struct summary_scheme scheme;
	struct summary_marks marks;
	struct buffer b = {0};

	if (type == EXPERIMENTER_SUMMARY_REQUEST && summary_request_decode(rd, &scheme) == 0) {
		summary_request_encode(&b, 1, &scheme);
	} else if (type == EXPERIMENTER_SUMMARY_RULES &&
		   summary_rules_decode(rd, &scheme, &marks) == 0) {
		summary_rules_encode(&b, 1, &scheme, &marks);
	} else if (type == EXPERIMENTER_SUMMARY_REPLY && size &&
		   summary_reply_decode(rd, body[0], buckets) == 0) {
		summary_reply_encode(&b, 1, body[0], buckets);
	}
	/* The seven bytes behind the bits are not looked at. */
	if (b.size && size > 8)
		check_again(&(struct buffer){.data = b.data + 8, .size = b.size - 8}, body + 8,
			    size - 8);
	buffer_finish(&b);
}

static void decode(enum experimenter_type type, struct reader *rd)
{
	struct element_info element;
	struct port_info port;
	struct replay replay;
	struct silent silent;
	struct counter counter;
	struct drop_count drop;
	struct overlap overlaps[OVERLAPS_MAX];
	unsigned count;
	bool more;

	switch (type) {
	case EXPERIMENTER_ELEMENT:
		if (element_info_decode(rd, &element) == 0)
			check_text(element.name, sizeof(element.name));
		return;
	case EXPERIMENTER_PORT:
		if (port_info_decode(rd, &port) == 0)
			check_text(port.identity, sizeof(port.identity));
		return;
	case EXPERIMENTER_REPLAY:
		if (replay_decode(rd, &replay) == 0 && replay.data_size != 0 && !replay.data)
			abort();
		return;
	case EXPERIMENTER_SILENT:
		if (silent_decode(rd, &silent) == 0 && reader_left(rd))
			abort();
		return;
	case EXPERIMENTER_COUNTERS_REPLY:
		if (counters_reply_begin(rd, &more) == 0) {
			while (counters_next(rd, &counter) > 0)
				;
		}
		return;
	case EXPERIMENTER_DROPS_REPLY:
		while (drops_next(rd, &drop) > 0)
			check_text(drop.name, sizeof(drop.name));
		return;
	case EXPERIMENTER_PORT_DROPS_REPLY:
		if (port_drops_reply_begin(rd, &more) == 0)
			while (port_drops_next(rd, &drop) > 0)
				check_text(drop.name, sizeof(drop.name));
		return;
	case EXPERIMENTER_LINK_SET:
	case EXPERIMENTER_LINK_DELETE:
	case EXPERIMENTER_LINK_STATE:
	case EXPERIMENTER_LINKS_REPLY:
		decode_link(type, rd);
		return;
	case EXPERIMENTER_SUMMARY_REQUEST:
	case EXPERIMENTER_SUMMARY_REPLY:
	case EXPERIMENTER_SUMMARY_RULES:
		decode_summary(type, rd);
		return;
	case EXPERIMENTER_OVERLAPS:
		(void)overlaps_decode(rd, overlaps, &count);
		return;
	case EXPERIMENTER_COUNTERS_REQUEST:
	case EXPERIMENTER_DROPS_REQUEST:
	case EXPERIMENTER_LINKS_REQUEST:
	case EXPERIMENTER_PORT_DROPS_REQUEST:
	case EXPERIMENTER_TYPE_END:
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader rd = reader_make(data, size);
	enum experimenter_type type;

	if (experimenter_decode(&rd, &type) == 0)
		decode(type, &rd);
	return 0;
}
