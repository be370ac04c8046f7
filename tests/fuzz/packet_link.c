/* packet/datagram, packet/bfd, packet/stamp: any frame; what is accepted is written the same way
 * again. */
#include "packet/bfd.h"
#include "packet/datagram.h"
#include "packet/stamp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_bfd(const uint8_t *data, size_t size)
{
	struct bfd_packet p, again;
	struct buffer b = {0};

	if (bfd_decode(data, size, &p) < 0)
		return;
	bfd_encode(&b, &p);
	if (bfd_decode(b.data, b.size, &again) < 0 || again.mine != p.mine ||
	    again.state != p.state || again.required_rx_us != p.required_rx_us)
		abort();
	buffer_finish(&b);
}

static void try_stamp(const uint8_t *data, size_t size)
{
	struct stamp_request q, q_again;
	struct stamp_reply r, r_again;
	struct buffer b = {0};

	if (stamp_request_decode(data, size, &q) < 0)
		return;
	stamp_request_encode(&b, &q);
	if (stamp_request_decode(b.data, b.size, &q_again) < 0 || q_again.sent_us != q.sent_us)
		abort();
	if (stamp_reply_decode(data, size, &r) < 0)
		abort(); /* the two are of one size */
	buffer_clear(&b);
	stamp_reply_encode(&b, &r, 255);
	if (stamp_reply_decode(b.data, b.size, &r_again) < 0 ||
	    r_again.received_us != r.received_us)
		abort();
	if (stamp_delay_us(&r, 1000000) < -1)
		abort();
	buffer_finish(&b);
}

/* Whatever is right as it is, is right unfinished too. */
static void try_unfinished(const uint8_t *data, size_t size)
{
	struct reader rd = reader_make(data, size), same = rd;
	struct datagram d, unfinished;

	if (datagram_parse_unfinished(&rd, &unfinished) < 0) {
		if (datagram_parse(&same, &d) == 0)
			abort();
		return;
	}
	if (unfinished.data < data || unfinished.data + unfinished.data_size > data + size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct datagram_arrival a;
	struct buffer b = {0};
	struct datagram again;
	struct reader rd;

	try_bfd(data, size);
	try_stamp(data, size);
	try_unfinished(data, size);
	if (datagram_parse_frame(data, size, 6080, &a) < 0)
		return 0;
	if (a.datagram.data < data || a.datagram.data + a.datagram.data_size > data + size)
		abort();
	datagram_build(&b, &a.datagram);
	rd = reader_make(b.data, b.size);
	if (datagram_parse(&rd, &again) < 0 || again.data_size != a.datagram.data_size ||
	    !address_equal(&again.source, &a.datagram.source))
		abort();
	buffer_finish(&b);
	return 0;
}
