/* OpenSSL's errors as refusals that are counted, and as words that say what to do. */
#include "base/compiler.h"
#include "tls/openssl.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

static const char *const names[TLS_REFUSAL_COUNT] = {[TLS_NOT_REFUSED] = "none",
#define NAME(name, text) [TLS_REFUSED_##name] = #text,
						     TLS_REFUSALS(NAME)
#undef NAME
};

const char *tls_refusal_name(enum tls_refusal refusal)
{
	return refusal < TLS_REFUSAL_COUNT ? names[refusal] : "?";
}

struct explanation {
	long error;
	enum tls_refusal refusal;
	const char *text;
};

static const struct explanation chains[] = {
	{X509_V_ERR_CERT_HAS_EXPIRED, TLS_REFUSED_EXPIRED,
	 "its certificate has expired: run 'victorctl pki issue' for it again, and copy the files"},
	{X509_V_ERR_CERT_NOT_YET_VALID, TLS_REFUSED_NOT_YET_VALID,
	 "its certificate is not valid yet: compare the two machines' clocks"},
	{X509_V_ERR_CERT_REVOKED, TLS_REFUSED_REVOKED,
	 "its certificate is revoked: if it is trusted again, issue it a new one"},
	{X509_V_ERR_CRL_HAS_EXPIRED, TLS_REFUSED_STALE_CRL,
	 "our revocation list is too old: copy a new crl.pem from the CA"},
	{X509_V_ERR_CRL_NOT_YET_VALID, TLS_REFUSED_STALE_CRL,
	 "our revocation list is from the future: is this machine's clock right?"},
	{X509_V_ERR_UNABLE_TO_GET_CRL, TLS_REFUSED_STALE_CRL,
	 "there is no revocation list of its CA in our crl file: add it"},
	{X509_V_ERR_APPLICATION_VERIFICATION, TLS_REFUSED_WRONG_IDENTITY,
	 "its certificate names nobody who may connect here: an FE's, a controller's and a user's "
	 "are not the same"},
	{X509_V_ERR_INVALID_PURPOSE, TLS_REFUSED_WRONG_IDENTITY,
	 "its certificate is not for this end of a connection"},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_REFUSED_UNKNOWN_AUTHORITY, NULL},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_REFUSED_UNKNOWN_AUTHORITY, NULL},
	{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_REFUSED_UNKNOWN_AUTHORITY, NULL},
	{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_REFUSED_UNKNOWN_AUTHORITY, NULL},
	{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_REFUSED_UNKNOWN_AUTHORITY, NULL},
	{X509_V_ERR_CERT_SIGNATURE_FAILURE, TLS_REFUSED_UNKNOWN_AUTHORITY, NULL},
};

enum tls_refusal tls_explain_chain(long error, struct reason *why)
{
	static const char stranger[] =
		"its certificate is of a CA that we do not know: is it of another 'victorctl pki "
		"init', or is our ca file an old one?";

	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		if (chains[i].error != error)
			continue;
		reason_set(why, 0, "%s", chains[i].text ? chains[i].text : stranger);
		return chains[i].refusal;
	}
	reason_set(why, 0, "its certificate is not good: %s", X509_verify_cert_error_string(error));
	return TLS_REFUSED_BAD_CERTIFICATE;
}

/* RFC 8446, section 6: what the other end says of us. */
static const struct explanation alerts[] = {
	{SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_EXPIRED, 0,
	 "it says that our certificate has expired: run 'victorctl pki issue' again, and copy the "
	 "files"},
	{SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REVOKED, 0,
	 "it says that our certificate is revoked: have a new one issued"},
	{SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA, 0,
	 "it does not know the CA of our certificate: are both of the same 'victorctl pki init'?"},
	{SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REQUIRED, 0, "it wants a certificate of us"},
	{SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION, 0, "it does not speak TLS 1.3"},
	{SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE, 0,
	 "it does not take our certificate: does that name who we are? Its log says more"},
	{SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE, 0,
	 "it does not take our certificate; its log says more"},
};

static const struct explanation protocols[] = {
	{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_REFUSED_NO_CERTIFICATE,
	 "it shows no certificate: run 'victorctl pki issue' for it"},
	{SSL_R_UNSUPPORTED_PROTOCOL, TLS_REFUSED_OLD_VERSION, "it does not speak TLS 1.3"},
	{SSL_R_NO_PROTOCOLS_AVAILABLE, TLS_REFUSED_OLD_VERSION, "it does not speak TLS 1.3"},
	{SSL_R_VERSION_TOO_LOW, TLS_REFUSED_OLD_VERSION, "it does not speak TLS 1.3"},
	{SSL_R_NO_SHARED_CIPHER, TLS_REFUSED_OLD_VERSION, "it has no cipher of ours"},
	{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_REFUSED_BAD_CERTIFICATE,
	 "it cannot check signatures such as ours"},
	{SSL_R_HTTP_REQUEST, TLS_REFUSED_NOT_TLS, "it speaks HTTP"},
	{SSL_R_HTTPS_PROXY_REQUEST, TLS_REFUSED_NOT_TLS, "it speaks HTTP"},
	{SSL_R_WRONG_VERSION_NUMBER, TLS_REFUSED_NOT_TLS,
	 "it does not speak TLS: is its endpoint 'tcp:' where 'tls:' is meant?"},
	{SSL_R_UNKNOWN_PROTOCOL, TLS_REFUSED_NOT_TLS, "it does not speak TLS"},
	{SSL_R_BAD_RECORD_TYPE, TLS_REFUSED_NOT_TLS, "it does not speak TLS"},
	{SSL_R_RECORD_TOO_SMALL, TLS_REFUSED_NOT_TLS, "it does not speak TLS"},
	{SSL_R_PACKET_LENGTH_TOO_LONG, TLS_REFUSED_NOT_TLS, "it does not speak TLS"},
};

static const struct explanation *find(const struct explanation *list, size_t count, long error)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].error == error)
			return &list[i];
	return NULL;
}

enum tls_refusal tls_explain(const SSL *ssl, struct reason *why)
{
	unsigned long error = ERR_peek_last_error();
	int reason = ERR_GET_REASON(error);
	const struct explanation *e;

	ERR_clear_error();
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return tls_explain_chain(SSL_get_verify_result(ssl), why);
	e = find(protocols, ARRAY_SIZE(protocols), reason);
	if (e) {
		reason_set(why, 0, "%s", e->text);
		return e->refusal;
	}
	if (reason >= SSL_AD_REASON_OFFSET) {
		e = find(alerts, ARRAY_SIZE(alerts), reason);
		reason_set(why, 0, "%s", e ? e->text : ERR_reason_error_string(error));
		return TLS_REFUSED_REFUSED_BY_PEER;
	}
	reason_set(why, 0, "the TLS connection broke: %s",
		   error ? ERR_reason_error_string(error) : "it ended");
	return TLS_REFUSED_BROKEN;
}
