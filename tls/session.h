/* One TLS connection, without I/O: bytes from the peer go in, bytes for the peer collect in 'out'
 * for the shell to write (like openflow/channel.h).  No call blocks, sleeps or reads a file.  What
 * is received is decrypted out of the caller's buffer, what is sent is encrypted into 'out': no
 * copy beyond that, and one write for all that was said in between. */
#pragma once

#include "base/wire.h"
#include "tls/context.h"

struct tls_session;

/* A client's first message is in 'out' at once. */
struct tls_session *tls_session_create(struct tls_context *context);
/* Accepts NULL. */
void tls_session_destroy(struct tls_session *s);

/* Bytes from the peer, all of which are taken; appends to 'plain' what they say, none before the
 * peer's certificate is found good.  0; or -EPROTO (again and again from then on), with
 * tls_session_refusal and tls_session_reason; 'out' may hold an alert that should still be written.
 */
MUST_USE int tls_session_receive(struct tls_session *s, const void *bytes, size_t size,
				 struct buffer *plain);
/* Encrypts all of 'plain' and empties it; before the handshake is done it is left as it is.
 * -EPROTO as above. */
MUST_USE int tls_session_send(struct tls_session *s, struct buffer *plain);
/* Says that we say no more (close_notify). */
void tls_session_finish(struct tls_session *s);
struct buffer *tls_session_out(struct tls_session *s);

/* The handshake is done and the peer's certificate is good.  A client does not know yet whether
 * the server will take its own: bytes from it say so. */
bool tls_session_is_established(const struct tls_session *s);
/* The peer; NULL before that, and for one without a certificate. */
const struct tls_identity *tls_session_peer(const struct tls_session *s);
/* When the peer's certificate expires, UNIX time; its serial number, hexadecimal. */
int64_t tls_session_expires_s(const struct tls_session *s);
const char *tls_session_serial(const struct tls_session *s);
/* "TLSv1.3" */
const char *tls_session_version(const struct tls_session *s);

/* Whether the context, with what it reloaded since, would still let this peer in; that its
 * certificate expired meanwhile ends no session.  0, or -EACCES and the refusal. */
MUST_USE int tls_session_recheck(struct tls_session *s);

enum tls_refusal tls_session_refusal(const struct tls_session *s);
/* What is wrong, and what to do. */
const char *tls_session_reason(const struct tls_session *s);
