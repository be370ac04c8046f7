/* controller/io/northbound: whole requests through the UNIX socket, with a fake core behind. */
#include "controller/io/northbound.h"

#include "base/memory.h"
#include "tests/unit/controller-io/fake_core.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_SIZE 65536

struct fixture {
	char directory[32];
	uv_loop_t loop;
	uv_async_t answered;
	struct config config;
	struct core *core;
	struct store *store;
	struct northbound *northbound;
	/* The client's thread writes a request, reads until the end or 'enough'. */
	const char *request, *enough;
	char answer[ANSWER_SIZE];
	bool done;
	int status; /* of the last answer */
	char *body;
};

static void on_event(void *context, const struct event *e)
{
	struct fixture *f = context;

	if (f->northbound)
		northbound_event(f->northbound, e);
}

static void on_answered(uv_async_t *async)
{
	struct fixture *f = async->data;

	f->done = true;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct core_shell shell = {.event = on_event, .context = f};
	struct reason why = {""};
	char text[1024];

	strcpy(f->directory, "/tmp/victor-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(text, sizeof(text),
		 "northbound: [ \"unix:%s/s\" ]\n"
		 "state: %s\n"
		 "prefixes: [ { prefix: 10.10.0.0/16, mobile: true, gateway: 10.10.0.1 } ]\n"
		 "nodes: [ { id: fixed, addresses: [ 10.10.0.5 ] } ]\n",
		 f->directory, f->directory);
	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->answered, on_answered);
	f->answered.data = f;
	*state = f;
	if (config_parse("victor.yaml", text, strlen(text), &f->config, &why) < 0)
		return -1;
	f->core = core_create(&f->config.core, &shell, 1, 1, 0);
	return config_apply(&f->config, f->core, 0, &why) ||
	       store_open(f->directory, &f->loop, &f->store, &why) ||
	       northbound_open(&f->loop, &f->config, f->core, f->store, &f->northbound, &why);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = {"controller.db", "audit.log", "tokens"};
	char path[64];

	store_close(f->store);
	core_destroy(f->core);
	northbound_close(f->northbound);
	uv_close((uv_handle_t *)&f->answered, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	int left = uv_loop_close(&f->loop);

	config_finish(&f->config);
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->directory);
	free(f);
	return left;
}

static void *run_client(void *fixture)
{
	struct fixture *f = fixture;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const struct endpoint *e = &f->config.northbound[0];
	size_t got = 0;
	ssize_t piece;

	if (connect(fd, &e->address.any, e->address_size) == 0 &&
	    send(fd, f->request, strlen(f->request), MSG_NOSIGNAL) > 0) {
		while ((piece = recv(fd, f->answer + got, ANSWER_SIZE - 1 - got, 0)) > 0) {
			got += (size_t)piece;
			f->answer[got] = '\0';
			if (f->enough && strstr(f->answer, f->enough))
				break;
		}
	}
	close(fd);
	uv_async_send(&f->answered);
	return NULL;
}

/* Sends the bytes; the loop runs meanwhile.  Sets status and body. */
static void send_bytes(struct fixture *f, const char *request)
{
	pthread_t client;

	f->request = request;
	f->done = false;
	f->answer[0] = '\0';
	assert_int_equal(pthread_create(&client, NULL, run_client, f), 0);
	while (!f->done)
		uv_run(&f->loop, UV_RUN_ONCE);
	pthread_join(client, NULL);
	f->status = strlen(f->answer) > 12 ? atoi(f->answer + 9) : 0;
	f->body = strstr(f->answer, "\r\n\r\n");
	f->body = f->body ? f->body + 4 : f->answer + strlen(f->answer);
}

static void ask(struct fixture *f, const char *method, const char *path, const char *body)
{
	char *request = memory_format("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
				      "Content-Length: %zu\r\n\r\n%s",
				      method, path, strlen(body), body);

	send_bytes(f, request);
	free(request);
}

static void expect(struct fixture *f, int status, const char *text)
{
	if (f->status != status || !strstr(f->body, text))
		fail_msg("expected %d '%s', got %d '%s'", status, text, f->status, f->answer);
}

static void keep_element(void *to, const char *element)
{
	snprintf(to, NAME_SIZE, "%s", element);
}

static void an_element_drains_durably(void **state)
{
	struct fixture *f = *state;
	char drained[NAME_SIZE] = "";
	struct reason why;

	ask(f, "POST", "/v1/elements/FE2/drain", "");
	expect(f, 202, "\"draining\":true,\"border\":true");
	ask(f, "GET", "/v1/elements/fe2/drain", "");
	expect(f, 200, "\"element\":\"fe2\"");
	assert_int_equal(store_read_drains(f->store, keep_element, drained, &why), 0);
	assert_string_equal(drained, "fe2");
	ask(f, "DELETE", "/v1/elements/fe2/drain", "");
	expect(f, 200, "\"element\":\"fe2\"");
	drained[0] = '\0';
	assert_int_equal(store_read_drains(f->store, keep_element, drained, &why), 0);
	assert_string_equal(drained, "");
	ask(f, "POST", "/v1/elements/fe9/drain", "");
	expect(f, 404, "no element 'fe9'");
}

static void what_the_core_knows_is_shown(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/v1/status", "");
	expect(f, 200, "\"nodes\":1");
	ask(f, "GET", "/v1/elements", "");
	expect(f, 200, "\"name\":\"fe2\"");
	ask(f, "GET", "/v1/elements/fe2/ports", "");
	expect(f, 200, "\"name\":\"port3\"");
	ask(f, "GET", "/v1/refusals", "");
	expect(f, 200, "\"why\":\"unknown-node\"");
	ask(f, "GET", "/v1/nodes/fixed", "");
	expect(f, 200, "\"source\":\"config\"");
	ask(f, "GET", "/v1/prefixes", "");
	expect(f, 200, "\"prefix\":\"10.10.0.0/16\"");
	ask(f, "GET", "/v1/trace?source=10.10.0.5&destination=10.10.0.6&element=FE2", "");
	expect(f, 200, "\"verdict\":\"dropped: no binding\"");
	expect(f, 200, "\"element\":\"fe2\"");
	ask(f, "GET", "/v1/elements/fe2/counters", "");
	expect(f, 200, "\"drops\":[{\"reason\":\"no_binding\",\"packets\":2}]");
	expect(f, 200, "\"others\":[{\"what\":\"sent_too_big\",\"packets\":3}]");
}

static void names_of_elements_match_in_any_case(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/v1/elements/FE2", "");
	expect(f, 200, "\"name\":\"fe2\"");
	ask(f, "GET", "/v1/elements/fe9", "");
	expect(f, 404, "no element 'fe9'");
}

static void live_rules_carry_what_table_1_needs(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/v1/elements/fe2/forwarding", "");
	expect(f, 200, "\"kind\":\"local\"");
	expect(f, 200,
	       "\"port\":2,\"port_name\":\"port2\",\"vlan\":0,\"mac\":\"52:54:00:00:00:01\"");
	expect(f, 200, "\"version\":\"3.17\"");
	expect(f, 200, "\"towards\":\"fe3\"");
	ask(f, "GET", "/v1/elements/fe3/forwarding", "");
	expect(f, 503, "offline");
}

static void a_node_is_put_kept_and_removed(void **state)
{
	struct fixture *f = *state;
	static const char node[] = "{\"addresses\":[\"10.10.0.9\"],\"mac\":\"52:54:00:00:00:09\"}";

	ask(f, "PUT", "/v1/nodes/vm9", node);
	expect(f, 201, "\"source\":\"api\"");
	ask(f, "PUT", "/v1/nodes/vm9", node);
	expect(f, 200, "\"mobile\":true");
	ask(f, "PUT", "/v1/nodes/vm8", node);
	expect(f, 409, "vm9");
	ask(f, "PUT", "/v1/nodes/vm8", "{\"addresses\":[\"192.0.2.1\"]}");
	expect(f, 400, "192.0.2.1");
	ask(f, "PUT", "/v1/nodes/vm8", "{\"addresses\":[\"10.10.0.8\"],\"x\":1}");
	expect(f, 400, "'x'");
	ask(f, "DELETE", "/v1/nodes/vm9", "");
	expect(f, 204, "");
	ask(f, "DELETE", "/v1/nodes/vm9", "");
	expect(f, 404, "vm9");
}

#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void devices_have_keys_that_are_given_to_nobody_unasked(void **state)
{
	struct fixture *f = *state;

	ask(f, "PUT", "/v1/nodes/vm9/devices", "{\"devices\":[]}");
	expect(f, 404, "vm9");
	ask(f, "PUT", "/v1/nodes/fixed/devices",
	    "{\"devices\":[{\"name\":\"tv\"},{\"name\":\"phone\"}]}");
	expect(f, 400, "new");
	ask(f, "PUT", "/v1/nodes/fixed/devices",
	    "{\"devices\":[{\"name\":\"tv\",\"mac\":\"52:54:00:00:00:77\","
	    "\"key\":\"blake2b:" SECRET "\"}]}");
	expect(f, 200, "\"algorithm\":\"blake2b\"");
	assert_null(strstr(f->body, SECRET));
	/* Without a key it keeps the one that it has. */
	ask(f, "PUT", "/v1/nodes/fixed/devices",
	    "{\"devices\":[{\"name\":\"tv\",\"mac\":null,\"key\":null}]}");
	expect(f, 200, "\"mac\":null");
	ask(f, "GET", "/v1/devices", "");
	expect(f, 200, "\"key\":null");
	ask(f, "GET", "/v1/devices/secrets", "");
	expect(f, 200, SECRET);
	/* What is refused is not said again. */
	ask(f, "PUT", "/v1/nodes/fixed/devices",
	    "{\"devices\":[{\"name\":\"tv\",\"key\":\"blake2c:" SECRET "\"}]}");
	expect(f, 400, "Base64");
	assert_null(strstr(f->body, SECRET));
	ask(f, "PUT", "/v1/nodes/fixed/devices",
	    "{\"devices\":[{\"name\":\"tv\",\"key\":\"ed25519-private:" SECRET "\"}]}");
	expect(f, 400, "never a private key");
	ask(f, "PUT", "/v1/nodes/fixed/devices", "{\"devices\":[{\"name\":\"tv\",\"x\":1}]}");
	expect(f, 400, "'x'");
	ask(f, "PUT", "/v1/nodes/fixed/devices",
	    "{\"devices\":[{\"name\":\"tv\"},{\"name\":\"tv\"}]}");
	expect(f, 400, "twice");
	ask(f, "GET", "/v1/registrations", "");
	expect(f, 200, "\"registered\":3");
	ask(f, "PUT", "/v1/nodes/fixed/devices", "{\"devices\":[]}");
	expect(f, 200, "\"devices\":[]");
}

static void what_the_store_does_not_take_is_undone(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, none;

	ask(f, "PUT", "/v1/nodes/vm9", "{\"addresses\":[\"10.10.0.9\"]}");
	expect(f, 201, "vm9");
	/* As a full disk: no file may grow. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	ask(f, "PUT", "/v1/nodes/vm8", "{\"addresses\":[\"10.10.0.8\"]}");
	expect(f, 500, "undone");
	ask(f, "PUT", "/v1/nodes/vm9", "{\"addresses\":[\"10.10.0.10\"]}");
	expect(f, 500, "undone");
	ask(f, "DELETE", "/v1/nodes/vm9", "");
	expect(f, 500, "undone");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	ask(f, "GET", "/v1/nodes/vm8", "");
	expect(f, 404, "vm8");
	ask(f, "GET", "/v1/nodes/vm9", "");
	expect(f, 200, "10.10.0.9");
	ask(f, "PUT", "/v1/nodes/vm8", "{\"addresses\":[\"10.10.0.8\"]}");
	expect(f, 201, "vm8");
}

static void a_node_of_the_config_is_not_changed_by_rest(void **state)
{
	struct fixture *f = *state;

	ask(f, "DELETE", "/v1/nodes/fixed", "");
	expect(f, 409, "victor.yaml");
	ask(f, "PUT", "/v1/nodes/fixed", "{\"addresses\":[\"10.10.0.9\"]}");
	expect(f, 409, "victor.yaml");
}

static void a_move_is_prepared_confirmed_and_reverted(void **state)
{
	struct fixture *f = *state;

	ask(f, "POST", "/v1/nodes/fixed/move", "{\"element\":\"FE2\",\"port\":\"tap0\"}");
	expect(f, 202, "\"state\":\"prepared\"");
	assert_string_equal(fake_state(f->core)->prepared_element, "fe2");
	assert_string_equal(fake_state(f->core)->prepared_port, "tap0");
	ask(f, "POST", "/v1/nodes/fixed/move", "{\"element\":\"fe2\",\"port\":\"tap0\"}");
	expect(f, 409, "already");
	ask(f, "DELETE", "/v1/nodes/fixed/move", "");
	expect(f, 200, "\"element\":\"fe1\"");
	ask(f, "POST", "/v1/nodes/fixed/move/confirm", "");
	expect(f, 200, "\"state\":\"active\"");
	ask(f, "POST", "/v1/nodes/nobody/move", "{\"element\":\"fe2\",\"port\":\"tap0\"}");
	expect(f, 404, "nobody");
	ask(f, "POST", "/v1/nodes/fixed/move", "{\"element\":\"fe2\"}");
	expect(f, 400, "'port'");
	ask(f, "DELETE", "/v1/nodes/fixed/attachment", "");
	expect(f, 204, "");
}

static void wrong_requests_get_the_right_status(void **state)
{
	struct fixture *f = *state;
	char *body = memory_alloc(70001);

	ask(f, "GET", "/", "");
	expect(f, 404, "error");
	ask(f, "POST", "/v1/nodes/fixed", "");
	expect(f, 405, "GET, PUT, DELETE");
	assert_non_null(strstr(f->answer, "allow: GET, PUT, DELETE"));
	ask(f, "GET", "/v1/trace", "");
	expect(f, 400, "source");
	memset(body, ' ', 70000);
	ask(f, "PUT", "/v1/nodes/vm9", body);
	expect(f, 413, "65536");
	free(body);
	send_bytes(f,
		   "PUT /v1/nodes/vm9 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	expect(f, 411, "Content-Length");
	send_bytes(f, "GET /v1/links HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		      "Origin: http://evil.example\r\n\r\n");
	expect(f, 403, "Origin");
	send_bytes(f, "\x16\x03\x01 nonsense\r\n\r\n");
	assert_int_not_equal(f->status, 200);
}

static void a_request_that_announces_no_body_has_none(void **state)
{
	struct fixture *f = *state;

	f->enough = "\"elements\":";
	send_bytes(f, "POST /v1/elements/fe2/drain HTTP/1.1\r\nHost: localhost\r\n\r\n"
		      "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
	f->enough = NULL;
	assert_int_equal(f->status, 202);
	assert_non_null(strstr(f->answer, "\"elements\":"));
}

static void a_token_is_made_listed_and_revoked(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/v1/user", "");
	expect(f, 200, "\"role\":\"admin\"");
	ask(f, "POST", "/v1/tokens", "{\"name\":\"ci\",\"role\":\"read\",\"lifetime_s\":60}");
	expect(f, 201, "\"token\":\"victor_");
	ask(f, "POST", "/v1/tokens", "{\"name\":\"ci\",\"role\":\"read\"}");
	expect(f, 409, "revoke it first");
	ask(f, "POST", "/v1/tokens", "{\"name\":\"a b\",\"role\":\"read\"}");
	expect(f, 400, "letters");
	ask(f, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"root\"}");
	expect(f, 400, "read, operate or admin");
	ask(f, "GET", "/v1/tokens", "");
	expect(f, 200, "\"name\":\"ci\",\"role\":\"read\"");
	assert_null(strstr(f->body, "victor_"));
	ask(f, "DELETE", "/v1/tokens/ci", "");
	expect(f, 204, "");
	ask(f, "DELETE", "/v1/tokens/ci", "");
	expect(f, 404, "no token 'ci'");
}

static void changes_are_in_the_audit_log_without_secrets(void **state)
{
	struct fixture *f = *state;

	ask(f, "PUT", "/v1/nodes/vm9", "{\"addresses\":[\"10.10.0.9\"],\"psk_key\":\"hush\"}");
	expect(f, 400, "psk_key");
	ask(f, "PUT", "/v1/nodes/vm9", "{\"addresses\":[\"10.10.0.9\"]}");
	expect(f, 201, "vm9");
	ask(f, "GET", "/v1/nodes/vm9", "");
	ask(f, "GET", "/v1/audit?limit=2", "");
	expect(f, 200,
	       "\"role\":\"admin\",\"from\":\"unix\",\"method\":\"PUT\","
	       "\"path\":\"/v1/nodes/vm9\",\"body\":{\"addresses\":[\"10.10.0.9\"]},"
	       "\"status\":201,\"error\":null}]}");
	expect(f, 200, "\"psk_key\":\"(not kept)\"");
	assert_null(strstr(f->body, "hush"));
	ask(f, "GET", "/v1/audit?limit=0", "");
	expect(f, 400, "limit");
}

static void a_watcher_resumes_where_it_was(void **state)
{
	struct fixture *f = *state;

	/* Revision 1 was before the northbound began. */
	fake_emit(f->core, EVENT_MOVED, "vm1", "two");
	fake_emit(f->core, EVENT_MOVED, "vm1", "three");
	fake_emit(f->core, EVENT_MOVED, "vm1", "four");
	f->enough = "four";
	send_bytes(f, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 2\r\n\r\n");
	expect(f, 200, "id: 3\nevent: moved\ndata: {\"revision\":3,");
	assert_null(strstr(f->body, "two"));
	assert_null(strstr(f->body, "lost"));
	f->enough = "four";
	send_bytes(f, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n");
	expect(f, 200, "event: lost");
	expect(f, 200, "two");
	f->enough = "revision\"}";
	send_bytes(f, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: x\r\n\r\n");
	f->enough = NULL;
	assert_int_equal(f->status, 400);
}

static void metrics_count(void **state)
{
	struct fixture *f = *state;

	fake_emit(f->core, EVENT_MOVED, "vm1", "moved");
	ask(f, "GET", "/metrics", "");
	expect(f, 200, "\nvictor_moves_total 1\n");
	expect(f, 200, "\nvictor_elements{state=\"online\"} 3\n");
	expect(f, 200, "\nvictor_flow_mods_total{element=\"fe2\"} 20\n");
	expect(f, 200, "\nvictor_refusals_total{why=\"unknown-node\"} 4\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_the_core_knows_is_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_of_elements_match_in_any_case, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(live_rules_carry_what_table_1_needs, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(devices_have_keys_that_are_given_to_nobody_unasked,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_is_put_kept_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_store_does_not_take_is_undone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_node_of_the_config_is_not_changed_by_rest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_move_is_prepared_confirmed_and_reverted, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(wrong_requests_get_the_right_status, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_request_that_announces_no_body_has_none, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_watcher_resumes_where_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_element_drains_durably, set_up, tear_down),
		cmocka_unit_test_setup_teardown(metrics_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_token_is_made_listed_and_revoked, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(changes_are_in_the_audit_log_without_secrets,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
