/* Long lists in pieces: in the order in which the tables have them, so that a piece costs what it
 * has, and not what the list has. */
#include "controller/core.h"

#include "controller/state.h"

bool core_nodes_page(const struct core *c, size_t *at, unsigned count,
		     void (*each)(void *to, const struct node *), void *to)
{
	const struct node *n;

	for (; count && (n = nodes_next(&c->inventory.nodes, at)); count--)
		each(to, n);
	return count == 0;
}

bool core_attachments_page(const struct core *c, size_t *at, unsigned count,
			   void (*each)(void *to, const struct attachment *), void *to)
{
	struct attachment_record *r;

	for (; count && pool_next(&c->records, at, (void **)&r); count--)
		if (!r->detached)
			each(to, &r->a);
	return count == 0;
}
