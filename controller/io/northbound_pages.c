/* GET of lists that may be a million long: in pieces (?limit=, ?after=), because the core waits
 * while a piece is made, and so do all moves.  A whole list is for where there are few. */
#include "controller/io/northbound_private.h"
#include "controller/io/northbound_views.h"
#include "controller/io/routes.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX 1000   /* a few milliseconds */
#define WHOLE_MAX 10000 /* nodes, of which there may be a list without pieces */

/* The number of a query's field; 'otherwise' where it is not there.  -EINVAL. */
static int query_number(const struct call *c, const char *name, unsigned long otherwise,
			unsigned long *ret, struct reason *why)
{
	char text[24], *end;
	int found = query_get(c->request->query, name, text, sizeof(text));

	*ret = otherwise;
	if (found == 0)
		return 0;
	errno = 0;
	*ret = found < 0 ? 0 : strtoul(text, &end, 10);
	if (found < 0 || text[0] < '0' || text[0] > '9' || *end || errno)
		return reason_set(why, -EINVAL, "%s is no number", name);
	return 0;
}

/* False: refused. */
static bool take_page(struct call *c, struct page *ret)
{
	struct reason why = {""};
	unsigned long limit, after = 0;
	int result = query_number(c, "limit", 0, &limit, &why);

	if (result == 0)
		result = query_number(c, "after", 0, &after, &why);
	if (result == 0 && limit > PAGE_MAX)
		result = reason_set(&why, -EINVAL, "limit is above %d", PAGE_MAX);
	if (result == 0 && !limit &&
	    (after || core_inventory(c->nb->core)->nodes.count > WHOLE_MAX))
		result = reason_set(
			&why, -EINVAL,
			"ask for it in pieces: ?limit=%d, then &after= what 'next' says", PAGE_MAX);
	if (result < 0) {
		call_refuse(c, result, &why);
		return false;
	}
	*ret = (struct page){.limit = (unsigned)limit, .at = after};
	return true;
}

/* Where there is more, "next" is what to ask for it with. */
static void answer(struct call *c, struct json_object *object, const struct page *page)
{
	char next[32];

	snprintf(next, sizeof(next), "%zu", page->at);
	if (page->more)
		json_object_object_add(object, "next", json_object_new_string(next));
	call_answer(c, 200, object);
}

void call_get_nodes(struct call *c)
{
	struct page page;

	if (take_page(c, &page))
		answer(c, view_nodes(c->nb->core, c->nb->config, &page), &page);
}

void call_get_attachments(struct call *c)
{
	struct page page;

	if (take_page(c, &page))
		answer(c, view_attachments(c->nb->core, &page), &page);
}
