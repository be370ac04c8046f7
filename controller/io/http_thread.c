/* The HTTP server's thread: epoll over the listening sockets, the connections and the loop's alarm;
 * what came from the loop; whose deadline is over.  Accepting is done here and not on the loop, so
 * that a storm of connections costs the loop nothing. */
#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/http_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

LOG_MODULE("http");

#define EVENTS_AT_ONCE 64
#define ACCEPT_AT_ONCE 16
#define WITHOUT_DESCRIPTORS_MS 100

/* Whether it is a listener's address; then '*ret' is it. */
static bool find_listener(const struct http_server *h, void *item, struct listener **ret)
{
	*ret = item;
	for (unsigned i = 0; i < h->listener_count; i++) {
		if (item == &h->listeners[i])
			return true;
	}
	return false;
}

static void accept_some(struct http_server *h, const struct listener *l, int64_t now_ms)
{
	for (unsigned i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			connection_open(h, fd, l, now_ms);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn_rl("%s: accept: %s", l->endpoint.text, strerror(errno));
			usleep(WITHOUT_DESCRIPTORS_MS * 1000); /* no busy loop; the loop goes on */
		}
		return;
	}
}

static void deliver(struct http_server *h, struct answer *a, int64_t now_ms)
{
	for (struct connection *c = h->connections; c; c = c->next) {
		if (c->id == a->id && c->state == CONNECTION_WAITING) {
			connection_deliver(c, a, now_ms);
			break;
		}
	}
	answer_free(a); /* perhaps who asked is gone */
}

/* Returns whether the thread is to end. */
static bool take_inbox(struct http_server *h, int64_t now_ms)
{
	uint64_t count;

	(void)!read(h->alarm, &count, sizeof(count));
	pthread_mutex_lock(&h->lock);
	struct answer *answers = h->answers;
	bool wake = h->wake_streams, stop = h->stop;

	h->answers = NULL;
	h->last_answer = &h->answers;
	h->wake_streams = false;
	pthread_mutex_unlock(&h->lock);
	while (answers) {
		struct answer *next = answers->next;

		deliver(h, answers, now_ms);
		answers = next;
	}
	for (struct connection *c = h->connections, *next; wake && c; c = next) {
		next = c->next;
		if (c->state == CONNECTION_STREAM)
			connection_run(c, now_ms);
	}
	return stop;
}

/* Until the next deadline, in milliseconds; those that are over are dealt with. */
static int expire_all(struct http_server *h, int64_t now_ms)
{
	int64_t first = now_ms + (h->tls ? 1000 : 60000);

	for (struct connection *c = h->connections, *next; c; c = next) {
		next = c->next;
		if (c->deadline_ms <= now_ms)
			connection_expire(c, now_ms);
		if (c->state != CONNECTION_DEAD && c->deadline_ms < first)
			first = c->deadline_ms;
	}
	return first > now_ms ? (int)(first - now_ms) : 1;
}

static void *run_thread(void *server)
{
	struct http_server *h = server;
	struct epoll_event events[EVENTS_AT_ONCE];
	bool stop = false;

	pthread_setname_np(pthread_self(), "http");
	while (!stop) {
		http_tls_tick(h, clock_now_ms());
		int wait_ms = expire_all(h, clock_now_ms());

		connection_bury(h);
		int count = epoll_wait(h->poll, events, EVENTS_AT_ONCE, wait_ms);
		int64_t now_ms = clock_now_ms();

		for (int i = 0; i < count; i++) {
			struct listener *l;

			if (events[i].data.ptr == h)
				stop = take_inbox(h, now_ms);
			else if (find_listener(h, events[i].data.ptr, &l))
				accept_some(h, l, now_ms);
			else
				connection_event(events[i].data.ptr, events[i].events, now_ms);
		}
		connection_bury(h);
	}
	while (h->connections)
		connection_close(h->connections);
	connection_bury(h);
	return NULL;
}

/* ---- start and stop ---- */

static int watch(struct http_server *h, int fd, void *item)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = item};

	return epoll_ctl(h->poll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int open_poll(struct http_server *h)
{
	h->poll = epoll_create1(EPOLL_CLOEXEC);
	h->alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->poll < 0 || h->alarm < 0)
		return -errno;
	int result = watch(h, h->alarm, h);

	for (unsigned i = 0; i < h->listener_count && result == 0; i++)
		result = watch(h, h->listeners[i].fd, &h->listeners[i]);
	return result;
}

int http_thread_start(struct http_server *h, struct reason *why)
{
	sigset_t all, old;
	int result = open_poll(h);

	if (result < 0)
		return reason_set(why, result, "the HTTP server: %s", strerror(-result));
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(&h->thread, NULL, run_thread, h);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	h->running = !error;
	if (error)
		return reason_set(why, -error, "no thread for the HTTP server: %s",
				  strerror(error));
	return 0;
}

void http_thread_stop(struct http_server *h)
{
	if (h->running) {
		pthread_mutex_lock(&h->lock);
		h->stop = true;
		pthread_mutex_unlock(&h->lock);
		http_thread_wake(h);
		pthread_join(h->thread, NULL);
	}
	if (h->poll >= 0)
		close(h->poll);
	if (h->alarm >= 0)
		close(h->alarm);
	h->poll = h->alarm = -1;
	h->running = false;
}

void http_thread_wake(struct http_server *h)
{
	static const uint64_t one = 1;

	(void)!write(h->alarm, &one, sizeof(one));
}
