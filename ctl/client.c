/* The only file that includes libcurl: HTTP over the controller's UNIX socket, or over TCP. */
#include "ctl/client.h"

#include "base/memory.h"
#include "base/wire.h"
#include "ctl/credentials.h"
#include "ctl/stream.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (1u << 30)
#define CONNECT_TIMEOUT_S 5
#define REQUEST_TIMEOUT_S 30
#define STREAM_SILENT_S 45 /* the controller says something every 15 s */

struct client {
	CURL *curl;
	char *server; /* as it was named */
	char *socket; /* the UNIX socket's path, or NULL */
	char *base;   /* "http://localhost" */
	const struct credentials *credentials;
	char detail[CURL_ERROR_SIZE]; /* libcurl's words for the last error */
};

int client_open(const char *server, struct client **ret, struct reason *why)
{
	bool is_unix = strncmp(server, "unix:", 5) == 0;

	bool is_http = strncmp(server, "http://", 7) == 0 && server[7];
	bool is_https = strncmp(server, "https://", 8) == 0 && server[8];

	if (is_unix ? server[5] != '/' : !is_http && !is_https)
		return reason_set(why, -EINVAL,
				  "server '%s': write unix:/PATH, https://HOST:PORT or "
				  "http://HOST:PORT",
				  server);
	curl_global_init(CURL_GLOBAL_NOTHING);
	CURL *curl = curl_easy_init();

	if (!curl)
		return reason_set(why, -ENOMEM, "libcurl could not be started");
	struct client *c = memory_alloc(sizeof(*c));

	c->curl = curl;
	c->server = memory_copy_text(server);
	c->socket = is_unix ? memory_copy_text(server + 5) : NULL;
	c->base = memory_copy_text(is_unix ? "http://localhost" : server);
	size_t size = strlen(c->base);

	while (size && c->base[size - 1] == '/')
		c->base[--size] = '\0';
	*ret = c;
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free(c->server);
	free(c->socket);
	free(c->base);
	free(c);
}

/* Whether what is sent stays on this machine, or is encrypted. */
static bool is_safe(const struct client *c)
{
	static const char *const local[] = {"http://127.", "http://localhost", "http://[::1]"};

	if (c->socket || strncmp(c->base, "https://", 8) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(local); i++) {
		if (strncmp(c->base, local[i], strlen(local[i])) == 0)
			return true;
	}
	return false;
}

int client_identify(struct client *c, const struct credentials *credentials, struct reason *why)
{
	c->credentials = credentials;
	if (credentials->token && !is_safe(c))
		return reason_set(why, -EINVAL,
				  "the token would go to %s unencrypted; write https://",
				  c->server);
	return 0;
}

static bool is_plain(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
	       strchr("-_.~", ch);
}

char *client_path(const char *pattern, const char *const *arguments)
{
	static const char digits[] = "0123456789ABCDEF";
	struct buffer path = {0};

	for (; *pattern; pattern++) {
		if (strncmp(pattern, "{}", 2) != 0) {
			write_u8(&path, (uint8_t)*pattern);
			continue;
		}
		for (const char *a = *arguments; *a; a++) {
			if (is_plain(*a)) {
				write_u8(&path, (uint8_t)*a);
				continue;
			}
			write_u8(&path, '%');
			write_u8(&path, (uint8_t)digits[(uint8_t)*a >> 4]);
			write_u8(&path, (uint8_t)digits[*a & 0xf]);
		}
		arguments++;
		pattern++;
	}
	write_u8(&path, 0);
	return (char *)path.data;
}

static size_t keep_bytes(char *bytes, size_t one, size_t count, void *to)
{
	struct buffer *answer = to;

	if (answer->size + count > ANSWER_MAX)
		return 0;
	buffer_add_bytes(answer, bytes, count);
	return count;
}

/* With TLS 1.3 a server tells what it thinks of our certificate when we believe to be through. */
static int refused_there(const struct client *c, struct reason *why)
{
	const char *alert = strstr(c->detail, "alert ");

	return reason_set(why, -EPROTO,
			  "%s: our certificate is refused there (%s): it must be a user's, of a CA "
			  "that the controller trusts, neither expired nor revoked",
			  c->server, alert ? alert : c->detail);
}

static int explain(const struct client *c, CURLcode code, struct reason *why)
{
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return reason_set(why, -ENOTCONN,
				  "controller not reachable at %s: is it running, and %s? "
				  "(--server or VICTOR_SERVER names another)",
				  c->server,
				  c->socket ? "may you use its socket" : "does it listen there");
	case CURLE_PEER_FAILED_VERIFICATION:
		return reason_set(
			why, -EPROTO,
			"%s: its certificate is not for this name, or not of a CA that is "
			"trusted here: --ca FILE (or VICTOR_CA) names the CA",
			c->server);
	case CURLE_SSL_CACERT_BADFILE:
		return reason_set(why, -EPROTO, "%s: no CA certificates can be read from it",
				  c->credentials->ca);
	case CURLE_SSL_CERTPROBLEM:
		return reason_set(why, -EPROTO, "%s and %s are no certificate and its key",
				  c->credentials->certificate, c->credentials->key);
	case CURLE_SSL_CONNECT_ERROR:
		if (strstr(c->detail, "alert"))
			return refused_there(c, why);
		return reason_set(why, -EPROTO,
				  "%s: no TLS connection; is it http:// there, without TLS?",
				  c->server);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return reason_set(why, -EPROTO, "%s: it does not speak HTTP; is it https://?",
				  c->server);
	case CURLE_OPERATION_TIMEDOUT:
		return reason_set(why, -ETIMEDOUT, "the controller at %s does not answer",
				  c->server);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		if (strstr(c->detail, "alert"))
			return refused_there(c, why);
		return reason_set(why, -ECONNRESET, "the controller at %s ended the connection",
				  c->server);
	default:
		return reason_set(why, -EPROTO, "%s: %s", c->server, curl_easy_strerror(code));
	}
}

static void set_up_credentials(struct client *c)
{
	const struct credentials *k = c->credentials;

	curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	if (k->ca) {
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, k->ca);
		curl_easy_setopt(c->curl, CURLOPT_CAPATH, NULL);
	}
	if (k->certificate) {
		curl_easy_setopt(c->curl, CURLOPT_SSLCERT, k->certificate);
		curl_easy_setopt(c->curl, CURLOPT_SSLKEY, k->key);
	}
	if (k->token) {
		curl_easy_setopt(c->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		curl_easy_setopt(c->curl, CURLOPT_XOAUTH2_BEARER, k->token);
	}
}

static char *set_up(struct client *c, const char *method, const char *path)
{
	char *url = memory_format("%s%s", c->base, path);

	curl_easy_reset(c->curl);
	c->detail[0] = '\0';
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->detail);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "victorctl/" VICTOR_VERSION);
	if (c->socket)
		curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	if (c->credentials)
		set_up_credentials(c);
	return url;
}

/* The controller's own words for a refusal. */
static int explain_refusal(long status, struct json_object *answer, struct reason *why)
{
	struct json_object *error = NULL;

	if (json_object_is_type(answer, json_type_object) &&
	    json_object_object_get_ex(answer, "error", &error))
		return reason_set(why, -EREMOTEIO, "%s", json_object_get_string(error));
	return reason_set(why, -EREMOTEIO, "the controller answered with HTTP status %ld", status);
}

static int read_answer(struct client *c, struct buffer *bytes, struct json_object **ret,
		       struct reason *why)
{
	struct json_object *answer = NULL;
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (bytes->size) {
		write_u8(bytes, 0);
		answer = json_tokener_parse((const char *)bytes->data);
		if (!answer && status < 400)
			return reason_set(why, -EPROTO,
					  "%s does not answer in JSON: is it VICTOR's "
					  "controller?",
					  c->server);
	}
	if (status >= 200 && status < 300) {
		*ret = answer;
		return 0;
	}
	int result = explain_refusal(status, answer, why);

	json_object_put(answer);
	return result;
}

int client_request(struct client *c, const char *method, const char *path, const char *body,
		   struct json_object **ret, struct reason *why)
{
	struct buffer answer = {0};
	struct curl_slist *headers = NULL;
	char *url = set_up(c, method, path);
	int result;

	headers = curl_slist_append(headers, "Expect:");
	if (body) {
		headers = curl_slist_append(headers, "Content-Type: application/json");
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	}
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, keep_bytes);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &answer);
	CURLcode code = curl_easy_perform(c->curl);

	if (code == CURLE_OK)
		result = read_answer(c, &answer, ret, why);
	else
		result = explain(c, code, why);
	curl_slist_free_all(headers);
	buffer_finish(&answer);
	free(url);
	return result;
}

int client_download(struct client *c, const char *path, struct buffer *ret, struct reason *why)
{
	char *url = set_up(c, "GET", path);
	long status = 0;
	int result;

	*ret = (struct buffer){0};
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, keep_bytes);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, ret);
	CURLcode code = curl_easy_perform(c->curl);

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	free(url);
	if (code != CURLE_OK)
		result = explain(c, code, why);
	else if (status == 200)
		return 0;
	else {
		struct json_object *unread = NULL;

		result = read_answer(c, ret, &unread, why);
		json_object_put(unread);
		result = result ? result : -EPROTO;
	}
	buffer_finish(ret);
	return result;
}

struct following {
	struct stream stream;
	void (*each)(void *to, const struct stream_event *e);
	void *to;
};

static size_t follow_bytes(char *bytes, size_t one, size_t count, void *to)
{
	struct following *f = to;

	stream_feed(&f->stream, bytes, count, f->each, f->to);
	return f->stream.failed ? 0 : count;
}

int client_follow(struct client *c, const char *path, const char *last_id,
		  void (*each)(void *to, const struct stream_event *e), void *to,
		  struct reason *why)
{
	struct following f = {.each = each, .to = to};
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
	char *last = memory_format("Last-Event-ID: %s", last_id);
	char *url = set_up(c, "GET", path);

	if (last_id[0])
		headers = curl_slist_append(headers, last);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, follow_bytes);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &f);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, (long)STREAM_SILENT_S);
	curl_easy_setopt(c->curl, CURLOPT_FAILONERROR, 1L);
	CURLcode code = curl_easy_perform(c->curl);
	int result = code == CURLE_OK ? 0 : explain(c, code, why);

	stream_finish(&f.stream);
	curl_slist_free_all(headers);
	free(last);
	free(url);
	return result;
}
