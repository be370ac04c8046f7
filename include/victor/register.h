/* Signed registration with VICTOR for programs (docs/registration.md): a state machine without I/O
 * and without a clock.  The program owns the socket and the time:
 *
 *	r = victor_register_create(&config, why, sizeof(why));
 *	victor_register_link(r, &link, now);               what its interface is, and when that
 *changes while ((size = victor_register_send(r, now, bytes))) sendto(udp, bytes, size, 0, gateway,
 *...);  port 6654, to the default gateway poll(udp, victor_register_due(r) - now);
 *	victor_register_receive(r, bytes, size, now);
 *
 * Link with -lvictor-register -lsodium.  Not thread-safe; several of them do not know each other.
 * Times are milliseconds of a clock that never jumps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VICTOR_REGISTER_PORT 6654
#define VICTOR_REGISTER_SIZE_MAX 1024 /* of a datagram */
#define VICTOR_REGISTER_ADDRESSES_MAX 8
#define VICTOR_REGISTER_NAME_SIZE 64
#define VICTOR_REGISTER_TEXT_SIZE 320
#define VICTOR_REGISTER_GRANT_SIZE 512 /* of a grant as text */
#define VICTOR_REGISTER_NEVER INT64_MAX

enum victor_register_state {
	VICTOR_REGISTER_IDLE,        /* no link, or left: nothing is sent */
	VICTOR_REGISTER_SOLICITING,  /* asks who its element is */
	VICTOR_REGISTER_PLACED,      /* knows, and was to do no more ('ask_only') */
	VICTOR_REGISTER_REGISTERING, /* said where it is, awaits the answer */
	VICTOR_REGISTER_REGISTERED,
	VICTOR_REGISTER_RENEWING, /* registered, and half of the lifetime is over */
	VICTOR_REGISTER_REFUSED,  /* 'reason' says why; tries again, but rarely */
	VICTOR_REGISTER_LEAVING,  /* said that it is gone, awaits the answer */
};

struct victor_register;

struct victor_register_config {
	const char *identity; /* the text of a key file, as "victor-register keygen" makes it */
	const char *grant;    /* as text, NULL: none; goes with the first registration */
	uint32_t lifetime_s;  /* to ask for; 0: 300 */
	uint64_t wall_us; /* the time of day, in microseconds since 1970: sequences begin there */
	bool ask_only;
};

/* What the program sees of its interface. */
struct victor_register_link {
	bool is_up;
	uint8_t mac[6];
	/* The addresses to register, 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; none: all
	 * that the controller's inventory has. */
	unsigned address_count;
	uint8_t addresses[VICTOR_REGISTER_ADDRESSES_MAX][16];
};

struct victor_register_status {
	enum victor_register_state state;
	bool is_registered; /* the last that is known: until the lifetime ends, or a refusal */
	char node[VICTOR_REGISTER_NAME_SIZE], device[VICTOR_REGISTER_NAME_SIZE];
	/* Where the controller says that it is; element_name "" until known. */
	uint64_t element;
	char element_name[VICTOR_REGISTER_NAME_SIZE];
	uint32_t port;
	uint16_t vlan;
	uint32_t lifetime_s;                  /* granted */
	uint8_t reason;                       /* of the last signed REPLY; 0: done */
	char text[VICTOR_REGISTER_TEXT_SIZE]; /* that in words */
	/* What somebody said without a signature: for a person who looks for an error; "" if
	 * nothing since the last signed answer.  Anybody may have said it. */
	char hint[VICTOR_REGISTER_TEXT_SIZE];
	unsigned unanswered; /* messages since the last signed answer */
	uint64_t sent, taken,
		ignored;   /* datagrams; ignored: not for us, not signed well, not asked */
	uint64_t revision; /* rises when anything above but the counters changes */
};

/* NULL, and a sentence in 'why': the identity or the grant is not good. */
struct victor_register *victor_register_create(const struct victor_register_config *config,
					       char *why, size_t why_size);
void victor_register_destroy(struct victor_register *r); /* wipes the key; NULL is fine */

/* The interface is like this now.  If that is a change, it asks and registers at once. */
void victor_register_link(struct victor_register *r, const struct victor_register_link *link,
			  int64_t now_ms);
/* Something else changed (the gateway, the route): ask and register at once. */
void victor_register_again(struct victor_register *r, int64_t now_ms);
/* Deregister; IDLE when that is answered, or nobody answers.  A link that changes later does not
 * wake it up. */
void victor_register_leave(struct victor_register *r, int64_t now_ms);
/* Takes over another grant (as text); goes with the next registration, which is at once.  -EINVAL:
 * it is none, or for another node or device. */
int victor_register_use_grant(struct victor_register *r, const char *grant, int64_t now_ms);

/* Whatever came to port 6654: it is not trusted. */
void victor_register_receive(struct victor_register *r, const void *bytes, size_t size,
			     int64_t now_ms);
/* Puts the datagram that is due into 'bytes' and returns its size, 0 if none is. */
size_t victor_register_send(struct victor_register *r, int64_t now_ms,
			    uint8_t bytes[VICTOR_REGISTER_SIZE_MAX]);
/* When to call victor_register_send at the latest; VICTOR_REGISTER_NEVER. */
int64_t victor_register_due(const struct victor_register *r);
const struct victor_register_status *victor_register_status(const struct victor_register *r);
const char *victor_register_state_name(enum victor_register_state state);

/* "That device of my node, with that MAC, may take it over within valid_s seconds", as text for its
 * --grant or 'grant'.  The place must be known (not SOLICITING since its creation): else -EAGAIN;
 * -EINVAL for a device's name that is none, or the own one, or a MAC that is no host's. */
int victor_register_grant(const struct victor_register *r, const char *to_device,
			  const uint8_t to_mac[6], uint32_t valid_s, int64_t now_ms,
			  char text[VICTOR_REGISTER_GRANT_SIZE]);

#ifdef __cplusplus
}
#endif
