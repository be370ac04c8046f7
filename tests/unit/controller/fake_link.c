/* The tests' forwarding element: what it is told of links, and says of them. */
#include "fake_element.h"

static void answer_links(struct fake *f, uint32_t xid)
{
	static struct link_info infos[LINKS_PER_MESSAGE];
	static struct link_state states[LINKS_PER_MESSAGE];
	unsigned count = 0;
	size_t at = 0;
	struct fake_link *l;

	while (table_next(&f->links, &at, NULL, (void **)&l)) {
		infos[count] = l->info;
		states[count++] = l->state;
	}
	links_reply_encode(&f->channel.out, xid, infos, states, count, false);
}

static void do_link_set(struct fake *f, struct reader *body)
{
	struct link_info info;
	struct fake_link *l;
	bool created;

	assert_int_equal(link_set_decode(body, &info), 0);
	f->link_mods++;
	fake_note(f)->what = LOG_LINK_SET;
	l = table_put(&f->links, &info.number, &created);
	l->info = info;
	l->state.number = info.number;
	l->state.up |= !info.interval_ms;
}

static void do_link_delete(struct fake *f, struct reader *body)
{
	uint32_t number;

	assert_int_equal(link_delete_decode(body, &number), 0);
	f->link_mods++;
	fake_note(f)->what = LOG_LINK_DELETE;
	assert_true(table_remove(&f->links, &number));
}

int fake_experimenter(struct fake *f, uint32_t xid, struct reader *body)
{
	enum experimenter_type type;

	assert_int_equal(experimenter_decode(body, &type), 0);
	if (type >= EXPERIMENTER_LINK_SET && type <= EXPERIMENTER_LINKS_REPLY && f->knows_no_links)
		return -OFP_BAD_REQUEST_BAD_EXP_TYPE;
	if (type == EXPERIMENTER_SUMMARY_REQUEST || type == EXPERIMENTER_SUMMARY_RULES)
		return fake_sums(f, xid, type, body);
	if (type == EXPERIMENTER_COUNTERS_REQUEST)
		counters_reply_encode(&f->channel.out, xid, NULL, 0, false);
	else if (type == EXPERIMENTER_LINKS_REQUEST)
		answer_links(f, xid);
	else if (type == EXPERIMENTER_LINK_SET)
		do_link_set(f, body);
	else if (type == EXPERIMENTER_LINK_DELETE)
		do_link_delete(f, body);
	else if (type == EXPERIMENTER_PORT_DROPS_REQUEST)
		port_drops_reply_encode(&f->channel.out, xid, NULL, 0, false);
	else
		drops_reply_encode(&f->channel.out, xid, NULL, 0);
	return 0;
}

struct fake_link *fake_link(struct world *w, uint32_t fe, uint32_t number)
{
	return table_get(&fake_of(w, fe)->links, &number);
}

void fake_link_state(struct world *w, uint32_t fe, uint32_t number, bool up)
{
	struct fake_link *l = fake_link(w, fe, number);

	assert_non_null(l);
	l->state.up = up;
	l->state.diagnostic = up ? 0 : 1;
	link_state_encode(&fake_of(w, fe)->channel.out, 0, &l->state);
}

/* --- words of the tests --- */

struct address an_address(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

struct mac a_mac(const char *text)
{
	struct mac m;

	assert_int_equal(mac_parse(text, &m), 0);
	return m;
}
