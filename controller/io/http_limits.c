/* See http_limits.h.  Addresses are in a small table, the longest unused one gives way; a bucket is
 * kept as the moment when it will be full again. */
#include "controller/io/http_limits.h"

#include <string.h>

static void make_key(const struct address *a, struct address *ret)
{
	*ret = *a;
	if (!address_is_ipv4(a))
		memset(ret->bytes + 8, 0, 8);
}

static bool is_in_use(const struct http_address *a)
{
	return a->strangers || a->known;
}

struct http_address *http_limits_address(struct http_limits *l, const struct address *a,
					 int64_t now_ms)
{
	struct http_address *oldest = NULL;
	struct address key;

	make_key(a, &key);
	for (unsigned i = 0; i < HTTP_ADDRESSES; i++) {
		struct http_address *item = &l->addresses[i];

		if (item->used_ms && memcmp(&item->key, &key, sizeof(key)) == 0) {
			item->used_ms = now_ms;
			return item;
		}
		if (!is_in_use(item) && (!oldest || item->used_ms < oldest->used_ms))
			oldest = item;
	}
	/* There are more places than connections, so one is free. */
	*oldest = (struct http_address){.key = key, .used_ms = now_ms};
	return oldest;
}

/* Takes one from a bucket; false where it is empty. */
static bool take(int64_t *full_ms, int64_t now_ms, int burst, int per_second)
{
	int64_t step = 1000 / per_second;

	if (*full_ms < now_ms)
		*full_ms = now_ms;
	if (*full_ms - now_ms > step * (burst - 1))
		return false;
	*full_ms += step;
	return true;
}

enum http_admission http_limits_enter(struct http_limits *l, struct http_address *a, int64_t now_ms)
{
	enum http_admission admission = HTTP_ADMITTED;

	if (!a->known &&
	    !take(&a->newcomers_ms, now_ms, HTTP_NEWCOMERS_BURST, HTTP_NEWCOMERS_PER_SECOND))
		return HTTP_TOO_MANY;
	if (a->strangers >= HTTP_STRANGERS_OF_ADDRESS_MAX)
		admission = HTTP_ADMITTED_FOR_OLDEST_OF_SAME;
	else if (l->strangers >= HTTP_STRANGERS_MAX)
		admission = HTTP_ADMITTED_FOR_OLDEST;
	a->strangers++;
	l->strangers++;
	return admission;
}

bool http_limits_know(struct http_limits *l, struct http_address *a)
{
	if (a->known >= HTTP_KNOWN_OF_ADDRESS_MAX || l->known >= HTTP_KNOWN_MAX)
		return false;
	a->strangers--;
	l->strangers--;
	a->known++;
	l->known++;
	return true;
}

void http_limits_leave(struct http_limits *l, struct http_address *a, bool was_known)
{
	if (was_known) {
		a->known--;
		l->known--;
	} else {
		a->strangers--;
		l->strangers--;
	}
}

bool http_limits_enter_local(struct http_limits *l, bool is_own)
{
	if (l->local >= HTTP_LOCAL_MAX ||
	    (!is_own && l->local_of_others >= HTTP_LOCAL_OF_OTHERS_MAX))
		return false;
	l->local++;
	l->local_of_others += !is_own;
	return true;
}

void http_limits_leave_local(struct http_limits *l, bool is_own)
{
	l->local--;
	l->local_of_others -= !is_own;
}

bool http_limits_fail(struct http_address *a, int64_t now_ms)
{
	return take(&a->failures_ms, now_ms, HTTP_FAILURES_BURST, HTTP_FAILURES_PER_SECOND);
}
