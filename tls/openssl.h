/* What the files of this folder share of OpenSSL. */
#pragma once

#include "tls/context.h"

#include <openssl/ssl.h>
#include <stdint.h>

/* Lets OpenSSL read and write a session's buffers (session.c); BIO_meth_free. */
BIO_METHOD *tls_buffers_create(void);
/* UNIX time. */
int64_t tls_certificate_expires_s(const X509 *certificate);
/* The same as tls_explain, of a chain's verification (X509_V_ERR_...). */
enum tls_refusal tls_explain_chain(long error, struct reason *why);
