/* GET /v1/backup: the store's file, whole and checked, while the controller goes on. */
#include "controller/io/northbound_private.h"

static void on_backup(void *to, int result, const void *bytes, size_t size, const char *why)
{
	struct call *c = to;
	struct buffer body = {0};

	if (result < 0) {
		call_refuse_with(c, 500, "no backup: %s", why);
		return;
	}
	buffer_add_bytes(&body, bytes, size);
	call_answer_bytes(c, 200, "application/vnd.sqlite3", NULL, &body);
}

void call_get_backup(struct call *c)
{
	if (c->nb->store)
		store_backup(c->nb->store, on_backup, c);
	else
		call_refuse_with(c, 503, "this controller has no store");
}
