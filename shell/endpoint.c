/* Parses endpoints, opens listening sockets for the daemons' shells (fe/io/connection.c), and says
 * in one line why a socket could not be opened. */
#include "shell/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 512
#define UNIX_SOCKET_MODE 0660

static int parse_port(const char *text, in_port_t *ret)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || *text == '+' || !port || port > 65535)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

static int parse_host(const char *host, in_port_t port, struct endpoint *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		memcpy(&ret->address.storage, &v4, sizeof(v4));
		ret->address_size = sizeof(v4);
		ret->is_private = ntohl(v4.sin_addr.s_addr) >> 24 == 127;
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		memcpy(&ret->address.storage, &v6, sizeof(v6));
		ret->address_size = sizeof(v6);
		ret->is_private = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
		return 0;
	}
	return -EINVAL;
}

static int parse_tcp(const char *text, struct endpoint *ret, struct reason *why)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	in_port_t port;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return reason_set(why, -EINVAL, "'%s': write %s:ADDRESS:PORT", ret->text,
				  ret->is_tls ? "tls" : "tcp");
	size_t size = (size_t)(colon - text);

	memcpy(host, text, size);
	host[size] = '\0';
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		memmove(host, host + 1, size - 2);
		host[size - 2] = '\0';
	}
	if (parse_port(colon + 1, &port) < 0)
		return reason_set(why, -EINVAL, "'%s': '%s' is no port number (1-65535)", ret->text,
				  colon + 1);
	if (parse_host(host, port, ret) < 0)
		return reason_set(why, -EINVAL, "'%s': '%s' is no IPv4 or IPv6 address", ret->text,
				  host);
	return 0;
}

static int parse_unix(const char *path, struct endpoint *ret, struct reason *why)
{
	struct sockaddr_un *local = &ret->address.local;

	if (path[0] != '/')
		return reason_set(why, -EINVAL, "'%s': the path must start with '/'", ret->text);
	if (strlen(path) >= sizeof(local->sun_path))
		return reason_set(why, -EINVAL, "'%s': the path is longer than %zu characters",
				  ret->text, sizeof(local->sun_path) - 1);
	local->sun_family = AF_UNIX;
	strcpy(local->sun_path, path);
	ret->address_size = sizeof(*local);
	ret->is_unix = true;
	ret->is_private = true;
	return 0;
}

int endpoint_parse(const char *text, struct endpoint *ret, struct reason *why)
{
	memset(ret, 0, sizeof(*ret));
	if (strlen(text) >= sizeof(ret->text))
		return reason_set(why, -EINVAL, "'%.32s...' is too long for an endpoint", text);
	strcpy(ret->text, text);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_tcp(text + 4, ret, why);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, ret, why);
	if (strncmp(text, "tls:", 4) == 0) {
		ret->is_tls = true;
		return parse_tcp(text + 4, ret, why);
	}
	return reason_set(why, -EINVAL,
			  "'%s': write tcp:ADDRESS:PORT, tls:ADDRESS:PORT or unix:PATH", text);
}

/* Whether somebody answers at the UNIX socket. */
static bool is_alive(const struct endpoint *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = fd >= 0 &&
		     (connect(fd, &e->address.any, e->address_size) == 0 || errno != ECONNREFUSED);

	if (fd >= 0)
		close(fd);
	return alive;
}

/* Removes a socket that a dead process left; -EADDRINUSE where that would be wrong. */
static int remove_stale(const struct endpoint *e, struct reason *why)
{
	const char *path = e->address.local.sun_path;
	struct stat file;

	if (lstat(path, &file) < 0)
		return 0;
	if (!S_ISSOCK(file.st_mode))
		return reason_set(why, -EADDRINUSE,
				  "%s: a file that is no socket is there; move it away", e->text);
	if (is_alive(e))
		return reason_set(why, -EADDRINUSE,
				  "%s: in use; stop the daemon that listens there first", e->text);
	return unlink(path) < 0 ? -errno : 0;
}

static int explain(const struct endpoint *e, int error, struct reason *why)
{
	switch (error) {
	case EADDRINUSE:
		return reason_set(why, -error,
				  "%s: the port is in use; find its owner with 'ss -ltnp', or set "
				  "another port in the config",
				  e->text);
	case EADDRNOTAVAIL:
		return reason_set(why, -error,
				  "%s: this machine does not have the address; see 'ip address'",
				  e->text);
	case EACCES:
	case EPERM:
		return reason_set(
			why, -error, "%s: no permission; run as root, or choose %s", e->text,
			e->is_unix ? "a directory that you may write to" : "a port above 1023");
	case ENOENT:
	case ENOTDIR:
		return reason_set(why, -error, "%s: the directory does not exist; make it first",
				  e->text);
	default:
		return reason_set(why, -error, "%s: %s", e->text, strerror(error));
	}
}

static int open_and_bind(int fd, const struct endpoint *e)
{
	int yes = 1;

	if (!e->is_unix && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
		return -errno;
	if (e->address.any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0)
		return -errno;
	if (bind(fd, &e->address.any, e->address_size) < 0)
		return -errno;
	if (e->is_unix && chmod(e->address.local.sun_path, UNIX_SOCKET_MODE) < 0)
		return -errno;
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

int endpoint_listen(const struct endpoint *e, struct reason *why)
{
	if (e->is_unix) {
		int result = remove_stale(e, why);

		if (result == -EADDRINUSE)
			return result;
		if (result < 0)
			return explain(e, -result, why);
	}
	int fd = socket(e->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return explain(e, errno, why);
	int result = open_and_bind(fd, e);

	if (result < 0) {
		close(fd);
		return explain(e, -result, why);
	}
	return fd;
}

void endpoint_unlink(const struct endpoint *e)
{
	if (e->is_unix)
		(void)unlink(e->address.local.sun_path);
}
