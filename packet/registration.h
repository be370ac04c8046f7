/* Signed registration as bytes (docs/registration.md has the diagrams): what a node, the machine
 * that hosts it, or a device says to the FE beside it, and what the controller answers.  One layout
 * for all six kinds; a field that a kind does not have is zero on the wire, and refused otherwise,
 * so that a message has one spelling.  Who signs, and what a signature is worth, is
 * registration/sign.h's and registration/window.h's; here the signature is bytes at the end.  No
 * I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTRATION_PORT 6654 /* UDP, at both ends */
#define REGISTRATION_VERSION 1
#define REGISTRATION_NAME_SIZE 64 /* with its terminating zero */
#define REGISTRATION_TEXT_SIZE 200
#define REGISTRATION_ADDRESSES_MAX 8 /* = NODE_ADDRESSES_MAX */
#define REGISTRATION_SIGNATURE_MAX 64
#define REGISTRATION_LIFETIME_LEAST_S 5
#define REGISTRATION_LIFETIME_MOST_S 86400
/* The largest datagram: it fits the least MTU of IPv6 with headers to spare. */
#define REGISTRATION_SIZE_MAX 1024

enum registration_kind {
	REGISTRATION_SOLICIT = 1,   /* who is my FE?  'sequence' is a random number */
	REGISTRATION_ADVERTISE = 2, /* you are here; 'sequence' the SOLICIT's, or unsolicited: 0 */
	REGISTRATION_REGISTER = 3,  /* I am here */
	REGISTRATION_RENEW = 4,     /* I am still here; never moves a node */
	REGISTRATION_DEREGISTER = 5,
	REGISTRATION_REPLY = 6, /* to the three before; 'sequence' is theirs */
};

enum registration_algorithm {
	REGISTRATION_UNSIGNED = 0, /* only a REPLY that refuses: a hint that changes nothing */
	REGISTRATION_BLAKE2B = 1,  /* keyed BLAKE2b-256 (RFC 7693), one secret at both ends */
	REGISTRATION_ED25519 = 2,  /* RFC 8032; ADVERTISE and REPLY by the controller's key */
};

enum registration_result {
	REGISTRATION_DONE = 1,
	REGISTRATION_REFUSED = 2,   /* asking again as it is does not help */
	REGISTRATION_CHALLENGE = 3, /* sign it again, with this epoch, place and sequence */
};

/* Why; the X-macro is (name, number, text for a person).  Numbers never change. */
#define REGISTRATION_REASONS(X)                                                                \
	X(NONE, 0, "done")                                                                     \
	X(UNKNOWN_NODE, 1, "the controller knows no such node, or no key of this device")      \
	X(BAD_SIGNATURE, 2, "the signature is not by the key that the controller has")         \
	X(WRONG_ALGORITHM, 3, "the controller has a key of another algorithm")                 \
	X(STALE_EPOCH, 4, "signed for an earlier start of the controller")                     \
	X(STALE_SEQUENCE, 5, "the sequence was used: an old message, or a clock set back")     \
	X(ELSEWHERE, 6, "it came from another place than the one that was signed")             \
	X(WRONG_MAC, 7, "the MAC is not the device's")                                         \
	X(WRONG_ADDRESS, 8, "an address is not the node's")                                    \
	X(NOT_ALLOWED_HERE, 9, "the node may not attach here")                                 \
	X(HELD_BY_DEVICE, 10, "another device of the node has it, and granted nothing")        \
	X(BAD_GRANT, 11, "the grant is for others, or not signed by the device that has it")   \
	X(EXPIRED_GRANT, 12, "the grant is too old, or of an earlier start of the controller") \
	X(SPENT_GRANT, 13, "the grant, or a later one, was used")                              \
	X(NOT_REGISTERED, 14, "there is nothing to renew: register")                           \
	X(DAMPED, 15, "the node moved to and fro too often, and is held where it is")          \
	X(BUSY, 16, "the controller cannot say now: try again later")                          \
	X(NOT_DEMANDED, 17, "no prefix of the node takes signed registrations")

enum registration_reason {
#define X(name, number, text) REGISTRATION_REASON_##name = (number),
	REGISTRATION_REASONS(X)
#undef X
};

/* Where a message is heard: an access port of an FE, as ADVERTISE gave it. */
struct registration_place {
	uint64_t element; /* datapath id */
	uint32_t port;    /* OpenFlow's number, not 0 */
	uint16_t vlan;    /* 0: untagged */
};

/* "to_device, with this MAC, may take the node from from_device": signed by from_device's key. */
struct registration_grant {
	uint8_t algorithm; /* enum registration_algorithm, not UNSIGNED */
	uint64_t epoch;
	uint64_t serial;    /* of the grants of from_device: rises, not 0 */
	uint32_t expires_s; /* by the controller's clock ('now_s') */
	struct mac to_mac;
	char node[REGISTRATION_NAME_SIZE];
	char from_device[REGISTRATION_NAME_SIZE], to_device[REGISTRATION_NAME_SIZE];
	/* Decoded only: what is signed, and by what.  Borrowed from the datagram. */
	const uint8_t *signed_bytes;
	size_t signed_size;
	const uint8_t *signature; /* of registration_signature_size(algorithm) bytes */
};

struct registration {
	uint8_t kind;        /* enum registration_kind */
	uint8_t algorithm;   /* enum registration_algorithm */
	bool is_unsolicited; /* ADVERTISE */
	char node[REGISTRATION_NAME_SIZE];
	char device[REGISTRATION_NAME_SIZE]; /* "": the node has one, without a name */
	uint64_t epoch;                      /* the controller's start; 0 only in SOLICIT */
	uint64_t sequence;
	struct registration_place place; /* all but SOLICIT; REPLY: zero where unsigned */
	/* REGISTER, RENEW, DEREGISTER */
	struct mac mac;
	uint32_t lifetime_s;   /* asked for; in a REPLY what is given; 0 in DEREGISTER */
	uint8_t address_count; /* 0: all that the inventory has */
	struct address addresses[REGISTRATION_ADDRESSES_MAX]; /* strictly ascending */
	/* REGISTER: borrowed; encoded, it is what registration/sign.h made, signature included. */
	const uint8_t *grant;
	size_t grant_size; /* 0: none */
	/* ADVERTISE, REPLY */
	uint32_t now_s;                            /* since the epoch began */
	char element_name[REGISTRATION_NAME_SIZE]; /* for people; "": not said */
	/* REPLY */
	uint8_t result;                    /* enum registration_result */
	uint8_t reason;                    /* enum registration_reason, or a later one */
	uint64_t highest;                  /* sequence that was accepted from this device */
	char text[REGISTRATION_TEXT_SIZE]; /* more of the reason, printable ASCII; may be "" */
	/* Decoded only: as in the grant. */
	const uint8_t *signed_bytes;
	size_t signed_size;
	const uint8_t *signature;
};

/* 0, 32 or 64 bytes; an unknown algorithm has 0. */
size_t registration_signature_size(uint8_t algorithm);
/* "SOLICIT", ...; "?" for no kind. */
const char *registration_kind_name(uint8_t kind);
/* A sentence's part for a person, without the peer's own text. */
const char *registration_reason_text(uint8_t reason);
/* Letters, digits, '-', '_', '.', as the inventory's names; 1 to 63. */
bool registration_name_is_good(const char *name);
bool registration_place_equal(const struct registration_place *a,
			      const struct registration_place *b);
/* A host's: not unspecified, no group's. */
bool registration_address_is_good(const struct address *a);
/* Sorts as the wire has them. */
void registration_sort_addresses(struct address *addresses, unsigned count);

/* Appends all before the signature; what is appended behind it must be exactly
 * registration_signature_size(r->algorithm) bytes (registration/sign.h does both).  0, or -EINVAL
 * for what the decoder would refuse: nothing is appended then. */
MUST_USE int registration_encode(struct buffer *b, const struct registration *r);
/* A whole datagram.  0, else:
 * -EPROTO          not of this protocol: no "VREG", or shorter than the fixed part
 * -EPROTONOSUPPORT another version
 * -EOPNOTSUPP      a kind that version 1 does not have
 * -EPROTOTYPE      an algorithm that it does not have, or no signature where one must be
 * -EMSGSIZE        longer or shorter than its length field says, bytes left over, or too large
 * -EBADMSG         anything else: a field that must be zero, a name, an address, a MAC, a grant
 * The pointers in *ret lie in 'bytes'.  *ret is meaningless unless 0. */
MUST_USE int registration_decode(const void *bytes, size_t size, struct registration *ret);

/* The same for a grant alone; the errors are registration_decode's. */
MUST_USE int registration_grant_encode(struct buffer *b, const struct registration_grant *g);
MUST_USE int registration_grant_decode(const void *bytes, size_t size,
				       struct registration_grant *ret);
