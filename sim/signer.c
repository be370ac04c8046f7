/* Nodes that must sign (docs/registration.md): each host runs the client that guests run
 * (registration/client.c), by one of its two devices, and hands itself over from one to the other
 * by grants.  Whoever has no key can only repeat what was said. */
#include "sim/world.h"

#include "packet/datagram.h"
#include "packet/ethernet.h"
#include "packet/registration.h"
#include "registration/identity.h"

#include "include/victor/register.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIFETIME_S 20
#define STEP_US 100
#define GRANT_S 30

static const char *const devices[SIGNER_DEVICES] = {"handset", "tv"};

/* ---- keys and chance, from the seed alone ---- */

static struct random chance;

static const char *chance_name(void)
{
	return "the seed";
}

static uint32_t chance_number(void)
{
	return (uint32_t)random_next(&chance);
}

static void chance_bytes(void *const bytes, const size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)random_next(&chance);
}

void signer_start(struct world *w)
{
	static struct randombytes_implementation seeded = {
		.implementation_name = chance_name, .random = chance_number, .buf = chance_bytes};

	if (randombytes_set_implementation(&seeded) != 0 || sign_start() < 0)
		abort();
	/* Now: the library takes some for itself the first time that it is started. */
	chance.state = random_of(w->options.seed, 0x5169, 0);
}

static struct sign_key key_of(const struct world *w, uint32_t host, unsigned device)
{
	struct sign_key key = {.algorithm = REGISTRATION_BLAKE2B, .can_sign = true};

	for (unsigned i = 0; i < sizeof(key.secret); i++)
		key.secret[i] =
			(uint8_t)random_of(w->options.seed, 0x6e7, host << 8 | device << 6 | i);
	return key;
}

struct mac signer_mac(uint32_t host, unsigned device)
{
	return (struct mac){{2, 0, 0, (uint8_t)(host >> 8), (uint8_t)host, (uint8_t)(5 + device)}};
}

bool signer_has_mac(const struct world *w, const struct host *h, const struct mac *mac)
{
	for (unsigned i = 0; world_has(w, WORLD_SIGNED) && i < SIGNER_DEVICES; i++) {
		struct mac own = signer_mac((uint32_t)(h - w->hosts), i);

		if (mac_equal(&own, mac))
			return true;
	}
	return mac_equal(&h->mac, mac);
}

void signer_put_devices(struct world *w, uint32_t host)
{
	for (unsigned i = 0; i < SIGNER_DEVICES; i++) {
		struct device d = {.mac = signer_mac(host, i), .key = key_of(w, host, i)};
		struct reason why;

		snprintf(d.node, sizeof(d.node), "%s", w->hosts[host].id);
		snprintf(d.name, sizeof(d.name), "%s", devices[i]);
		if (core_put_device(w->core, &d, world_core_ms(w), &why) < 0)
			world_break(w, "a device is refused: %s", why.text);
	}
}

/* ---- what it says ---- */

static void hear_registration(struct world *w, uint32_t place, void *to)
{
	const struct buffer *frame = to;

	if (w->elements[place_element(place)].port_up[place_port(place)])
		sim_element_upcall(w, place_element(place), UPCALL_REGISTRATION, place_port(place),
				   frame->data, frame->size);
}

static void say(struct world *w, const struct host *h, uint32_t place, const void *bytes,
		size_t size)
{
	struct buffer frame = {0};
	struct datagram d = {.source = h->address,
			     .source_port = REGISTRATION_PORT,
			     .destination_port = REGISTRATION_PORT,
			     .ttl = 64,
			     .data = bytes,
			     .data_size = size};

	(void)!address_parse("10.255.255.254", &d.destination);
	ethernet_write(&frame, &w->core_config.gateway_mac, &h->mac, 0, ETHERTYPE_IPV4_);
	datagram_build(&frame, &d);
	lan_each(w, place, hear_registration, &frame);
	buffer_finish(&frame);
}

static void step_at(struct world *w, uint32_t host, int64_t at_us)
{
	struct signer *s = &w->hosts[host].signer;

	if (s->next_us > w->now_us && s->next_us <= at_us)
		return;
	s->next_us = at_us;
	world_at(w, at_us - w->now_us, HAPPENS_HOST_SIGN, host, 0);
}

/* Somebody who listens beside it may say it again one day. */
static void overhear(struct host *h, const uint8_t *bytes, size_t size)
{
	struct signer *s = &h->signer;
	struct signer_message *m = &s->overheard[s->overheard_count++ % SIGNER_OVERHEARD];

	memcpy(m->bytes, bytes, size);
	m->size = size;
	m->place = h->place;
}

void signer_step(struct world *w, uint32_t host)
{
	struct host *h = &w->hosts[host];
	uint8_t bytes[VICTOR_REGISTER_SIZE_MAX];
	int64_t due_ms;
	size_t size;

	if (!h->signer.client)
		return;
	while ((size = victor_register_send(h->signer.client, world_ms(w), bytes)) != 0) {
		overhear(h, bytes, size);
		h->forgotten_us = 0;
		say(w, h, h->place, bytes, size);
	}
	due_ms = victor_register_due(h->signer.client);
	if (due_ms != VICTOR_REGISTER_NEVER)
		step_at(w, host, due_ms * 1000 > w->now_us ? due_ms * 1000 : w->now_us + STEP_US);
}

/* ---- where it is ---- */

static struct victor_register *client_of(struct world *w, uint32_t host, const char *grant)
{
	const struct host *h = &w->hosts[host];
	struct identity id = {.key = key_of(w, host, h->signer.device)};
	char text[IDENTITY_TEXT_MAX], why[256] = "";
	struct victor_register_config config = {.identity = text,
						.grant = grant,
						.lifetime_s = LIFETIME_S,
						.wall_us = (uint64_t)w->now_us};
	struct victor_register *client;

	snprintf(id.node, sizeof(id.node), "%s", h->id);
	snprintf(id.device, sizeof(id.device), "%s", devices[h->signer.device]);
	id.controller = id.key;
	identity_format(&id, text);
	client = victor_register_create(&config, why, sizeof(why));
	if (!client)
		world_break(w, "the client does not start: %s", why);
	return client;
}

static void set_link(struct world *w, uint32_t host)
{
	struct host *h = &w->hosts[host];
	struct victor_register_link link = {.is_up = true};

	memcpy(link.mac, h->mac.bytes, sizeof(link.mac));
	victor_register_link(h->signer.client, &link, world_ms(w));
	step_at(w, host, w->now_us + STEP_US);
}

/* The other device, by a grant of this one; false where it does not know its place yet. */
static bool hand_over(struct world *w, uint32_t host)
{
	struct host *h = &w->hosts[host];
	struct signer *s = &h->signer;
	char grant[VICTOR_REGISTER_GRANT_SIZE];
	unsigned other = 1 - s->device;
	struct mac mac = signer_mac(host, other);

	if (!s->client || victor_register_grant(s->client, devices[other], mac.bytes, GRANT_S,
						world_ms(w), grant) < 0)
		return false;
	victor_register_destroy(s->client);
	s->device = other;
	h->mac = mac;
	s->client = client_of(w, host, grant);
	return true;
}

void signer_arrive(struct world *w, uint32_t host, const struct stimulus *s)
{
	struct signer *signer = &w->hosts[host].signer;
	bool is_new = !signer->client;

	if (s && s->ms % 8 == 1)
		is_new = hand_over(w, host);
	else if (!signer->client || (s && s->ms % 8 == 2)) { /* it starts anew */
		victor_register_destroy(signer->client);
		signer->client = client_of(w, host, NULL);
		is_new = true;
	}
	if (!signer->client)
		return;
	if (!is_new && s && s->kind == STIMULUS_MOVE_MUTE)
		return; /* it does not notice: who hears its data tells it */
	set_link(w, host);
	victor_register_again(signer->client, world_ms(w));
}

void signer_stop(struct host *h)
{
	victor_register_destroy(h->signer.client);
}

/* ---- what it hears ---- */

bool signer_hear(struct world *w, uint32_t host, const void *frame, size_t size)
{
	struct host *h = &w->hosts[host];
	struct reader rd = reader_make(frame, size);
	struct mac destination, source;
	struct datagram d;
	uint16_t vlan;

	if (!h->signer.client ||
	    ethernet_read(&rd, &destination, &source, &vlan) != ETHERTYPE_IPV4_ ||
	    !mac_equal(&destination, &h->mac) || datagram_parse(&rd, &d) < 0 ||
	    d.destination_port != REGISTRATION_PORT)
		return false;
	victor_register_receive(h->signer.client, d.data, d.data_size, world_ms(w));
	step_at(w, host, w->now_us + STEP_US);
	return true;
}

bool signer_is_registered(const struct host *h)
{
	const struct victor_register_status *s =
		h->signer.client ? victor_register_status(h->signer.client) : NULL;

	return s && s->is_registered && s->state == VICTOR_REGISTER_REGISTERED;
}

void signer_replay(struct world *w, uint32_t host, uint32_t place, uint32_t which)
{
	const struct signer *s = &w->hosts[host].signer;
	const struct signer_message *m = &s->overheard[which % SIGNER_OVERHEARD];

	if (m->size)
		say(w, &w->hosts[host], which / SIGNER_OVERHEARD % 2 ? m->place : place, m->bytes,
		    m->size);
}
