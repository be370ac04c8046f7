/* registration/: a key file's text, a grant's text, and datagrams at the node's state machine. */
#include "include/victor/register.h"
#include "registration/identity.h"

#include <stdlib.h>
#include <string.h>

#define IDENTITY "node: vm1\nkey: blake2b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), back[IDENTITY_TEXT_MAX];
	struct identity id, again;
	struct buffer grant = {0};
	struct reason why;

	memcpy(text, data, size);
	text[size] = 0;
	if (identity_parse(text, &id, &why) == 0) {
		identity_format(&id, back);
		if (identity_parse(back, &again, &why) < 0 || memcmp(&id, &again, sizeof(id)) != 0)
			abort();
	}
	if (grant_from_text(text, &grant) == 0 && !grant.size)
		abort();
	buffer_finish(&grant);
	free(text);
}

/* What is said, as it is; and then signed well, as an answer to whatever the node said. */
static void answer(struct victor_register *r, const struct registration *said, int64_t now)
{
	uint8_t bytes[VICTOR_REGISTER_SIZE_MAX];
	size_t size = victor_register_send(r, now, bytes);
	struct registration m = *said, asked;
	struct identity id;
	struct buffer b = {0};

	if (!size || registration_decode(bytes, size, &asked) < 0)
		return;
	memcpy(m.node, asked.node, sizeof(m.node));
	m.device[0] = 0;
	m.sequence = m.is_unsolicited ? 0 : asked.sequence;
	if (identity_parse(IDENTITY, &id, NULL) < 0)
		abort();
	if (m.algorithm != REGISTRATION_UNSIGNED && sign_message(&b, &m, &id.key) == 0)
		victor_register_receive(r, b.data, b.size, now);
	buffer_finish(&b);
}

static void hear(const uint8_t *data, size_t size)
{
	struct victor_register_config config = {.identity = IDENTITY};
	struct victor_register_link link = {.is_up = true, .mac = {2, 0, 0, 0, 0, 1}};
	struct victor_register *r = victor_register_create(&config, NULL, 0);
	struct registration advertise = {.kind = REGISTRATION_ADVERTISE,
					 .algorithm = REGISTRATION_BLAKE2B,
					 .epoch = 1,
					 .place = {.port = 1}},
			    m;

	victor_register_link(r, &link, 0);
	victor_register_receive(r, data, size, 0);
	if (registration_decode(data, size, &m) == 0) {
		answer(r, &m, 0);
		answer(r, &advertise, 10000);
		answer(r, &m, 10001);
		answer(r, &m, 100000000);
	}
	(void)victor_register_due(r);
	victor_register_destroy(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sign_start() < 0)
		return 0;
	read_text(data, size);
	hear(data, size);
	return 0;
}
