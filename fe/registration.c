/* A signed registration on its way from the data plane to the controller.  What it says, and by
 * whom it is signed, is the controller's to judge; the data plane saw that its sizes agree, and
 * cannot see the checksum, which is looked at here. */
#include "fe/internal.h"

#include "packet/datagram.h"

#define ETHERNET_SIZE 14

bool registration_is_whole(struct agent *a, const struct upcall *u)
{
	struct reader rd = reader_make(u->frame, u->size);
	struct datagram d;

	read_skip(&rd, ETHERNET_SIZE);
	if (!rd.failed && datagram_parse_unfinished(&rd, &d) == 0)
		return true;
	a->registrations_bad++;
	return false;
}
