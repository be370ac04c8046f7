/* The node's end of signed registration (include/victor/register.h; docs/registration.md, "What a
 * node does").
 *
 *	                 ADVERTISE               REPLY done
 *	IDLE → SOLICITING ───→ REGISTERING ───→ REGISTERED ─half of the lifetime→ RENEWING
 *	          ↑  ↑            │  ↑ challenge    │  ↑ REPLY done                  │ │
 *	          │  └─no answer──┘  └──────────────│──┴─────────────────────────────┘ │
 *	          └── REFUSED (later) ←─ refused ───┴── a change; no answer for long ──┘
 *
 * Only what is signed well and answers a message that is out moves it; an unsolicited ADVERTISE
 * makes it ask, and an unsigned REPLY is kept for a person to read. */
#include "include/victor/register.h"

#include "base/memory.h"
#include "registration/identity.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST_MS 200
#define RETRY_MOST_MS 5000
#define REFUSED_FIRST_MS 2000
#define REFUSED_MOST_MS 60000
#define PUSH_EVERY_MS 1000
#define REGISTER_TRIES 5  /* then the place may be wrong: ask */
#define LEAVE_TRIES 5     /* then nobody is there to be told */
#define CHALLENGES_FREE 3 /* in a row that are answered at once */
#define LIFETIME_DEFAULT_S 300

struct victor_register {
	struct identity id;
	struct buffer grant; /* of size 0: none */
	uint32_t lifetime_s; /* asked for */
	bool ask_only, has_left;
	struct victor_register_link link;
	struct victor_register_status status;

	uint64_t nonce;           /* of the SOLICIT that is out; 0: none */
	uint64_t sequence, first; /* the last one used; the first of the series that is out, or 0 */
	uint64_t epoch;
	struct registration_place place;
	uint32_t clock_s; /* the controller's, at clock_ms of ours */
	int64_t clock_ms;

	int64_t due_ms, expires_ms, ask_ms; /* ask_ms: when RENEWING gives up */
	int64_t sent_ms;                    /* the first of the series */
	int64_t push_ms;                    /* when an unsolicited ADVERTISE was last obeyed */
	unsigned tries, challenges, refusals;
};

_Static_assert(VICTOR_REGISTER_PORT == REGISTRATION_PORT &&
		       VICTOR_REGISTER_SIZE_MAX == REGISTRATION_SIZE_MAX &&
		       VICTOR_REGISTER_ADDRESSES_MAX == REGISTRATION_ADDRESSES_MAX &&
		       VICTOR_REGISTER_NAME_SIZE == REGISTRATION_NAME_SIZE &&
		       sizeof(struct address) == 16,
	       "the public header says what the protocol says");

const char *victor_register_state_name(enum victor_register_state state)
{
	static const char *const names[] = {"idle",       "asking",   "placed",  "registering",
					    "registered", "renewing", "refused", "leaving"};

	return (unsigned)state < ARRAY_SIZE(names) ? names[state] : "?";
}

static void touch(struct victor_register *r)
{
	r->status.revision++;
}

/* The only one to write the state.  What is out is out no longer. */
static void enter(struct victor_register *r, enum victor_register_state state, int64_t due_ms)
{
	if (r->status.state != state)
		touch(r);
	r->status.state = state;
	r->due_ms = due_ms;
	r->tries = 0;
	r->first = 0;
	r->nonce = 0;
}

static void set_registered(struct victor_register *r, bool is_registered)
{
	if (r->status.is_registered != is_registered)
		touch(r);
	r->status.is_registered = is_registered;
}

/* Twice as long each time, and a quarter more or less, so that many do not ask in step. */
static int64_t backoff_ms(unsigned tries, int64_t first, int64_t most)
{
	int64_t ms = tries > 16 ? most : first << tries;

	if (ms > most)
		ms = most;
	return ms - ms / 4 + (int64_t)(sign_random() % (uint64_t)(ms / 2 + 1));
}

static bool copy_grant(struct victor_register *r, const char *text, struct reason *why)
{
	struct buffer bytes = {0};
	struct registration_grant g;

	if (grant_from_text(text, &bytes) < 0 ||
	    registration_grant_decode(bytes.data, bytes.size, &g) < 0) {
		buffer_finish(&bytes);
		reason_set(why, 0, "the grant is not one that 'victor-register grant' made");
		return false;
	}
	if (strcmp(g.node, r->id.node) != 0 || strcmp(g.to_device, r->id.device) != 0) {
		reason_set(why, 0,
			   "the grant is for device '%s' of node '%s', this is '%s' of '%s'",
			   g.to_device, g.node, r->id.device, r->id.node);
		buffer_finish(&bytes);
		return false;
	}
	buffer_finish(&r->grant);
	r->grant = bytes;
	return true;
}

struct victor_register *victor_register_create(const struct victor_register_config *config,
					       char *why, size_t why_size)
{
	struct victor_register *r = memory_alloc(sizeof(*r));
	struct reason reason = {0};

	r->lifetime_s = config->lifetime_s ? config->lifetime_s : LIFETIME_DEFAULT_S;
	r->ask_only = config->ask_only;
	r->sequence = config->wall_us;
	r->due_ms = VICTOR_REGISTER_NEVER;
	r->push_ms = INT64_MIN / 2;
	if (sign_start() < 0)
		reason_set(&reason, 0, "there are no random numbers to be had");
	else if (r->lifetime_s < REGISTRATION_LIFETIME_LEAST_S ||
		 r->lifetime_s > REGISTRATION_LIFETIME_MOST_S)
		reason_set(&reason, 0, "a lifetime is %u to %u seconds",
			   REGISTRATION_LIFETIME_LEAST_S, REGISTRATION_LIFETIME_MOST_S);
	else if (identity_parse(config->identity, &r->id, &reason) == 0 &&
		 identity_check(&r->id, &reason) == 0 &&
		 (!config->grant || copy_grant(r, config->grant, &reason))) {
		snprintf(r->status.node, sizeof(r->status.node), "%s", r->id.node);
		snprintf(r->status.device, sizeof(r->status.device), "%s", r->id.device);
		return r;
	}
	if (why_size)
		snprintf(why, why_size, "%s", reason.text);
	victor_register_destroy(r);
	return NULL;
}

void victor_register_destroy(struct victor_register *r)
{
	if (!r)
		return;
	buffer_finish(&r->grant);
	identity_wipe(&r->id);
	free(r);
}

static void ask(struct victor_register *r, int64_t when_ms)
{
	enter(r, VICTOR_REGISTER_SOLICITING, when_ms);
	r->nonce = sign_random();
}

/* As the wire wants it: hosts' addresses, in order, once.  A link without a MAC is none. */
static struct victor_register_link cleaned(const struct victor_register_link *link)
{
	struct victor_register_link ret = {.is_up = link->is_up};
	struct address sorted[VICTOR_REGISTER_ADDRESSES_MAX];
	struct mac mac;
	unsigned count = 0;

	memcpy(mac.bytes, link->mac, 6);
	memcpy(ret.mac, link->mac, 6);
	if (mac_is_zero(&mac) || mac_is_multicast(&mac))
		ret.is_up = false;
	for (unsigned i = 0; i < link->address_count && i < ARRAY_SIZE(sorted); i++)
		memcpy(sorted[count++].bytes, link->addresses[i], 16);
	registration_sort_addresses(sorted, count);
	for (unsigned i = 0; i < count; i++)
		if (registration_address_is_good(&sorted[i]) &&
		    (!i || !address_equal(&sorted[i - 1], &sorted[i])))
			memcpy(ret.addresses[ret.address_count++], sorted[i].bytes, 16);
	return ret;
}

static bool link_equal(const struct victor_register_link *a, const struct victor_register_link *b)
{
	return a->is_up == b->is_up && memcmp(a->mac, b->mac, 6) == 0 &&
	       a->address_count == b->address_count &&
	       memcmp(a->addresses, b->addresses, sizeof(a->addresses)) == 0;
}

void victor_register_link(struct victor_register *r, const struct victor_register_link *link,
			  int64_t now_ms)
{
	struct victor_register_link now = cleaned(link);

	if (link_equal(&now, &r->link))
		return;
	r->link = now;
	victor_register_again(r, now_ms);
}

void victor_register_again(struct victor_register *r, int64_t now_ms)
{
	if (r->has_left)
		return;
	r->refusals = 0;
	r->challenges = 0;
	if (r->link.is_up) {
		ask(r, now_ms);
		return;
	}
	enter(r, VICTOR_REGISTER_IDLE, VICTOR_REGISTER_NEVER);
	set_registered(r, false);
}

void victor_register_leave(struct victor_register *r, int64_t now_ms)
{
	bool can_say_it = r->epoch && r->link.is_up && r->status.state != VICTOR_REGISTER_IDLE;

	r->has_left = true;
	enter(r, can_say_it ? VICTOR_REGISTER_LEAVING : VICTOR_REGISTER_IDLE,
	      can_say_it ? now_ms : VICTOR_REGISTER_NEVER);
}

int victor_register_use_grant(struct victor_register *r, const char *grant, int64_t now_ms)
{
	if (!copy_grant(r, grant, NULL))
		return -EINVAL;
	victor_register_again(r, now_ms);
	return 0;
}

static void say(struct victor_register *r, const struct registration *m)
{
	char text[VICTOR_REGISTER_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s%s%s", registration_reason_text(m->reason),
		 m->text[0] ? ": " : "", m->text);
	if (r->status.reason != m->reason || strcmp(r->status.text, text) != 0)
		touch(r);
	r->status.reason = m->reason;
	memcpy(r->status.text, text, sizeof(text));
}

/* What every signed answer says besides: where, since when, and how late it is. */
static void learn(struct victor_register *r, const struct registration *m, int64_t now_ms)
{
	if (!registration_place_equal(&r->place, &m->place) ||
	    strcmp(r->status.element_name, m->element_name) != 0)
		touch(r);
	r->epoch = m->epoch;
	r->place = m->place;
	r->clock_s = m->now_s;
	r->clock_ms = now_ms;
	r->status.element = m->place.element;
	r->status.port = m->place.port;
	r->status.vlan = m->place.vlan;
	memcpy(r->status.element_name, m->element_name, sizeof(r->status.element_name));
	r->status.unanswered = 0;
	r->status.hint[0] = 0;
	if (m->highest > r->sequence)
		r->sequence = m->highest;
}

static void got_done(struct victor_register *r, const struct registration *m)
{
	int64_t lifetime_ms = (int64_t)m->lifetime_s * 1000, sent_ms = r->sent_ms;

	r->refusals = 0;
	r->challenges = 0;
	if (r->status.state == VICTOR_REGISTER_LEAVING) {
		set_registered(r, false);
		enter(r, VICTOR_REGISTER_IDLE, VICTOR_REGISTER_NEVER);
		return;
	}
	if (r->status.state == VICTOR_REGISTER_REGISTERING)
		buffer_finish(&r->grant);
	r->status.lifetime_s = m->lifetime_s;
	/* Counted from the sending: the controller's begins no earlier. */
	r->expires_ms = sent_ms + lifetime_ms;
	r->ask_ms = sent_ms + lifetime_ms * 3 / 4;
	enter(r, VICTOR_REGISTER_REGISTERED, sent_ms + lifetime_ms / 2);
	set_registered(r, true);
}

static void got_refused(struct victor_register *r, const struct registration *m, int64_t now_ms)
{
	if (m->reason == REGISTRATION_REASON_BAD_GRANT ||
	    m->reason == REGISTRATION_REASON_EXPIRED_GRANT ||
	    m->reason == REGISTRATION_REASON_SPENT_GRANT)
		buffer_finish(&r->grant);
	if (m->reason != REGISTRATION_REASON_BUSY)
		set_registered(r, false);
	if (r->status.state == VICTOR_REGISTER_LEAVING) {
		enter(r, VICTOR_REGISTER_IDLE, VICTOR_REGISTER_NEVER);
		return;
	}
	enter(r, VICTOR_REGISTER_REFUSED,
	      now_ms + backoff_ms(r->refusals, REFUSED_FIRST_MS, REFUSED_MOST_MS));
	r->refusals++;
}

/* The place and epoch are known now: at once, unless that goes on and on. */
static void got_challenge(struct victor_register *r, const struct registration *m, int64_t now_ms)
{
	int64_t when_ms = now_ms;
	bool is_leaving = r->status.state == VICTOR_REGISTER_LEAVING;

	if (m->reason == REGISTRATION_REASON_NOT_REGISTERED)
		set_registered(r, false);
	if (is_leaving && m->reason == REGISTRATION_REASON_NOT_REGISTERED) {
		enter(r, VICTOR_REGISTER_IDLE, VICTOR_REGISTER_NEVER);
		return;
	}
	if (r->challenges >= CHALLENGES_FREE)
		when_ms +=
			backoff_ms(r->challenges - CHALLENGES_FREE, RETRY_FIRST_MS, RETRY_MOST_MS);
	r->challenges++;
	enter(r, is_leaving ? VICTOR_REGISTER_LEAVING : VICTOR_REGISTER_REGISTERING, when_ms);
}

/* Returns whether it was taken. */
static bool got_reply(struct victor_register *r, const struct registration *m, int64_t now_ms)
{
	bool wants_lifetime =
		m->result == REGISTRATION_DONE && r->status.state != VICTOR_REGISTER_LEAVING;

	if (!r->first || m->sequence < r->first || m->sequence > r->sequence ||
	    (wants_lifetime && !m->lifetime_s))
		return false;
	learn(r, m, now_ms);
	say(r, m);
	switch ((enum registration_result)m->result) {
	case REGISTRATION_DONE:
		got_done(r, m);
		return true;
	case REGISTRATION_REFUSED:
		got_refused(r, m, now_ms);
		return true;
	case REGISTRATION_CHALLENGE:
		got_challenge(r, m, now_ms);
		return true;
	}
	return false;
}

/* Not while something is under way: an old one, repeated, must not keep it from its end. */
static bool got_push(struct victor_register *r, int64_t now_ms)
{
	int64_t when_ms = r->push_ms + PUSH_EVERY_MS;

	if (when_ms < now_ms)
		when_ms = now_ms;
	switch (r->status.state) {
	case VICTOR_REGISTER_SOLICITING:
		if (r->due_ms > when_ms)
			r->due_ms = when_ms;
		break;
	case VICTOR_REGISTER_REGISTERED:
	case VICTOR_REGISTER_RENEWING:
	case VICTOR_REGISTER_REFUSED:
		ask(r, when_ms);
		break;
	case VICTOR_REGISTER_IDLE:
	case VICTOR_REGISTER_PLACED:
	case VICTOR_REGISTER_REGISTERING:
	case VICTOR_REGISTER_LEAVING:
		return false;
	}
	r->push_ms = when_ms;
	return true;
}

static bool got_advertise(struct victor_register *r, const struct registration *m, int64_t now_ms)
{
	if (m->is_unsolicited)
		return got_push(r, now_ms);
	if (!r->nonce || m->sequence != r->nonce)
		return false;
	learn(r, m, now_ms);
	enter(r, r->ask_only ? VICTOR_REGISTER_PLACED : VICTOR_REGISTER_REGISTERING,
	      r->ask_only ? VICTOR_REGISTER_NEVER : now_ms);
	return true;
}

/* Changes nothing but what a person may read, and only where something is out. */
static bool got_hint(struct victor_register *r, const struct registration *m)
{
	bool is_asked = (r->nonce && m->sequence == r->nonce) ||
			(r->first && m->sequence >= r->first && m->sequence <= r->sequence);
	const char *text = registration_reason_text(m->reason);

	if (is_asked && strcmp(r->status.hint, text) != 0) {
		snprintf(r->status.hint, sizeof(r->status.hint), "%s", text);
		touch(r);
	}
	return false;
}

static bool take(struct victor_register *r, const struct registration *m, int64_t now_ms)
{
	if (strcmp(m->node, r->id.node) != 0 || strcmp(m->device, r->id.device) != 0)
		return false;
	if (m->kind == REGISTRATION_REPLY && m->algorithm == REGISTRATION_UNSIGNED)
		return got_hint(r, m);
	if (!sign_message_check(m, &r->id.controller))
		return false;
	if (m->kind == REGISTRATION_REPLY)
		return got_reply(r, m, now_ms);
	return m->kind == REGISTRATION_ADVERTISE && got_advertise(r, m, now_ms);
}

void victor_register_receive(struct victor_register *r, const void *bytes, size_t size,
			     int64_t now_ms)
{
	struct registration m;

	if (registration_decode(bytes, size, &m) == 0 && take(r, &m, now_ms))
		r->status.taken++;
	else
		r->status.ignored++;
}

static struct registration message(const struct victor_register *r, enum registration_kind kind)
{
	struct registration m = {.kind = (uint8_t)kind};

	memcpy(m.node, r->id.node, sizeof(m.node));
	memcpy(m.device, r->id.device, sizeof(m.device));
	if (kind == REGISTRATION_SOLICIT) {
		m.sequence = r->nonce;
		return m;
	}
	m.sequence = r->sequence;
	m.epoch = r->epoch;
	m.place = r->place;
	memcpy(m.mac.bytes, r->link.mac, 6);
	m.lifetime_s = kind == REGISTRATION_DEREGISTER ? 0 : r->lifetime_s;
	m.address_count = (uint8_t)r->link.address_count;
	for (unsigned i = 0; i < r->link.address_count; i++)
		memcpy(m.addresses[i].bytes, r->link.addresses[i], 16);
	if (kind == REGISTRATION_REGISTER && r->grant.size) {
		m.grant = r->grant.data;
		m.grant_size = r->grant.size;
	}
	return m;
}

/* Sequences end where 64 bits do: who was led there says the last one again, and is answered that
 * it is stale, until the controller's next epoch.  Never 0, which no message has. */
static uint64_t next_sequence(const struct victor_register *r)
{
	return r->sequence < UINT64_MAX ? r->sequence + 1 : r->sequence;
}

static size_t sign_into(struct victor_register *r, enum registration_kind kind, int64_t now_ms,
			uint8_t bytes[VICTOR_REGISTER_SIZE_MAX])
{
	struct registration m;
	struct buffer b = {0};
	size_t size;
	int result UNUSED;

	if (kind != REGISTRATION_SOLICIT) {
		r->sequence = next_sequence(r);
		if (!r->first) {
			r->first = r->sequence;
			r->sent_ms = now_ms;
		}
	}
	m = message(r, kind);
	result = sign_message(&b, &m, &r->id.key);
	size = b.size;
	assert(result == 0 && size <= VICTOR_REGISTER_SIZE_MAX); /* cleaned() has seen to it */
	if (size)
		memcpy(bytes, b.data, size);
	buffer_finish(&b);
	r->due_ms = now_ms + backoff_ms(r->tries, RETRY_FIRST_MS, RETRY_MOST_MS);
	r->tries++;
	r->status.sent++;
	r->status.unanswered++;
	return size;
}

/* What a state does when its time has come, before anything is sent: it may be another state. */
static void time_out(struct victor_register *r, int64_t now_ms)
{
	switch (r->status.state) {
	case VICTOR_REGISTER_REGISTERED:
		enter(r, VICTOR_REGISTER_RENEWING, now_ms);
		return;
	case VICTOR_REGISTER_RENEWING:
		if (now_ms >= r->ask_ms)
			ask(r, now_ms);
		return;
	case VICTOR_REGISTER_REGISTERING:
		if (r->tries >= REGISTER_TRIES)
			ask(r, now_ms);
		return;
	case VICTOR_REGISTER_REFUSED:
		ask(r, now_ms);
		return;
	case VICTOR_REGISTER_LEAVING:
		if (r->tries < LEAVE_TRIES)
			return;
		set_registered(r, false);
		enter(r, VICTOR_REGISTER_IDLE, VICTOR_REGISTER_NEVER);
		return;
	case VICTOR_REGISTER_IDLE:
	case VICTOR_REGISTER_SOLICITING:
	case VICTOR_REGISTER_PLACED:
		return;
	}
}

size_t victor_register_send(struct victor_register *r, int64_t now_ms,
			    uint8_t bytes[VICTOR_REGISTER_SIZE_MAX])
{
	if (r->status.is_registered && now_ms >= r->expires_ms)
		set_registered(r, false);
	if (now_ms < r->due_ms)
		return 0;
	time_out(r, now_ms);
	switch (r->status.state) {
	case VICTOR_REGISTER_SOLICITING:
		return sign_into(r, REGISTRATION_SOLICIT, now_ms, bytes);
	case VICTOR_REGISTER_REGISTERING:
		return sign_into(r, REGISTRATION_REGISTER, now_ms, bytes);
	case VICTOR_REGISTER_RENEWING:
		return sign_into(r, REGISTRATION_RENEW, now_ms, bytes);
	case VICTOR_REGISTER_LEAVING:
		return sign_into(r, REGISTRATION_DEREGISTER, now_ms, bytes);
	case VICTOR_REGISTER_IDLE:
	case VICTOR_REGISTER_PLACED:
	case VICTOR_REGISTER_REGISTERED:
	case VICTOR_REGISTER_REFUSED:
		r->due_ms = VICTOR_REGISTER_NEVER;
		return 0;
	}
	return 0;
}

int64_t victor_register_due(const struct victor_register *r)
{
	if (r->status.is_registered && r->expires_ms < r->due_ms)
		return r->expires_ms;
	return r->due_ms;
}

const struct victor_register_status *victor_register_status(const struct victor_register *r)
{
	return &r->status;
}

int victor_register_grant(const struct victor_register *r, const char *to_device,
			  const uint8_t to_mac[6], uint32_t valid_s, int64_t now_ms,
			  char text[VICTOR_REGISTER_GRANT_SIZE])
{
	struct registration_grant g = {.epoch = r->epoch};
	struct buffer b = {0};
	int result;

	if (!r->epoch)
		return -EAGAIN;
	if (!registration_name_is_good(to_device))
		return -EINVAL;
	/* The number of the grant is of the same clock as the messages'. */
	g.serial = next_sequence(r);
	g.expires_s = r->clock_s + (uint32_t)((now_ms - r->clock_ms) / 1000) + valid_s;
	memcpy(g.to_mac.bytes, to_mac, 6);
	memcpy(g.node, r->id.node, sizeof(g.node));
	memcpy(g.from_device, r->id.device, sizeof(g.from_device));
	memcpy(g.to_device, to_device, strlen(to_device) + 1);
	result = sign_grant(&b, &g, &r->id.key);
	if (result == 0)
		result = grant_to_text(&b, text, VICTOR_REGISTER_GRANT_SIZE);
	buffer_finish(&b);
	return result;
}
