/* A channel under hostile bytes: however they are cut into reads, it does and says the same. */
#include "openflow/channel.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_up(void *context)
{
}

/* Some messages are refused, by a rule that both runs share. */
static int on_message(void *context, const struct ofp_header *header, struct reader *body)
{
	++*(unsigned *)context;
	return header->xid & 1 ? -OFP_BAD_REQUEST_BAD_TYPE : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct channel_ops ops = {on_up, on_message};
	unsigned whole_count = 0, cut_count = 0;
	struct channel whole, cut;
	size_t step = size ? 1 + data[0] % 23 : 1;

	if (!size)
		return 0;
	data++;
	size--;
	channel_init(&whole, &ops, &whole_count, 0, 0);
	channel_init(&cut, &ops, &cut_count, 0, 0);
	channel_receive(&whole, data, size, 1);
	for (size_t at = 0; at < size; at += step)
		channel_receive(&cut, data + at, size - at < step ? size - at : step, 1);
	if (whole_count != cut_count || whole.state != cut.state ||
	    whole.out.size != cut.out.size ||
	    memcmp(whole.out.data, cut.out.data, cut.out.size) != 0)
		abort();
	channel_finish(&whole);
	channel_finish(&cut);
	return 0;
}
