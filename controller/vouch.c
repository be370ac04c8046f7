/* Whom a connection is proven to be.  An element is its datapath id, and its name too: policies and
 * links are written with names. */
#include "controller/element.h"
#include "controller/refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void core_session_vouch(struct session *s, uint64_t datapath_id, const char *name)
{
	s->vouched_id = datapath_id;
	name_copy(s->vouched_name, name);
}

int vouch_check(struct session *s, const char *name)
{
	char text[512];

	if (!s->vouched_id ||
	    (s->vouched_id == s->id && (!name || strcmp(name, s->vouched_name) == 0)))
		return 0;
	snprintf(text, sizeof(text),
		 "%s: says that it is element %u%s%.64s, but its certificate is that of %s, id "
		 "%" PRIu64 ": run 'victorctl pki issue' for it, or somebody took %s's files",
		 s->peer, s->id, name ? ", " : "", name ? name : "", s->vouched_name, s->vouched_id,
		 s->vouched_name);
	report_refusal(s->core, "certificate-of-another", s->vouched_name, NULL, 0, text);
	s->doomed = "its certificate is another element's";
	return -ECONNRESET;
}
