/* pipeline/experimenter: any body of an OFPT_EXPERIMENTER message. */
#include "pipeline/experimenter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
	if (!memchr(text, 0, size))
		abort();
}

static void decode(enum experimenter_type type, struct reader *rd)
{
	struct element_info element;
	struct port_info port;
	struct replay replay;
	struct silent silent;
	struct counter counter;
	struct drop_count drop;
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
	case EXPERIMENTER_COUNTERS_REQUEST:
	case EXPERIMENTER_DROPS_REQUEST:
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
