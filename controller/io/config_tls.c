/* TLS's files, and where there must be TLS. */
#include "controller/io/config_tls.h"

#include <errno.h>

int config_tls_read(const struct yaml_tls *y, struct config *ret, struct reason *why)
{
	if (!y)
		return 0;
	ret->has_tls = true;
	return tls_files_set(&ret->tls, y->certificate, y->key, y->ca, y->crl, why);
}

int config_tls_check(const struct endpoint *e, const struct yaml_config *yaml, struct reason *why)
{
	if (e->is_tls && !yaml->tls)
		return reason_set(why, -EINVAL,
				  "%s needs 'tls: { certificate: ..., key: ..., ca: ... }'; "
				  "'victorctl pki' makes these files",
				  e->text);
	if (!e->is_private && !e->is_tls && !yaml->insecure)
		return reason_set(why, -EINVAL,
				  "%s is neither TLS, nor loopback, nor a UNIX socket: write "
				  "'tls:%s'; only in a network that you trust set 'insecure: true'",
				  e->text, e->text + 4);
	return 0;
}
