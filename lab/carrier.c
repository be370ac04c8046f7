/* The moment of a carrier's loss (carrier.h), read from sysfs' carrier_down_count: no lock, no
 * event that is told late.  Used by handoff.c; uses netns.c. */
#include "lab/carrier.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEVICES_MAX 2
#define NS_PER_S 1000000000LL
#define CALL_MAX_NS (10 * NS_PER_S) /* the thread looks no longer than this */

struct carrier {
	int fd[DEVICES_MAX];
	unsigned count, watched;
	pthread_t thread;
	sem_t wanted, begun, seen;
	atomic_bool stopping;
	int64_t loss_ns;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static long read_losses(int fd)
{
	char text[24];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return -1;
	text[got] = '\0';
	return atol(text);
}

static void look_until_lost(struct carrier *c)
{
	int fd = c->fd[c->watched];
	long before = read_losses(fd);
	int64_t begin = now_ns(), last = begin, look = begin;

	c->loss_ns = 0;
	sem_post(&c->begun);
	while (look - begin < CALL_MAX_NS && !atomic_load(&c->stopping)) {
		look = now_ns();
		if (read_losses(fd) != before) {
			c->loss_ns = last;
			break;
		}
		last = look;
	}
	sem_post(&c->seen);
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0 && errno == EINTR)
		;
}

static void *carrier_thread(void *context)
{
	struct carrier *c = context;

	for (;;) {
		wait_for(&c->wanted);
		if (atomic_load(&c->stopping))
			return NULL;
		look_until_lost(c);
	}
}

int carrier_create(struct netns *n, const char *const *devices, unsigned count,
		   struct carrier **ret)
{
	struct carrier *c = memory_alloc(sizeof(*c));
	int r = 0;

	for (c->count = 0; c->count < count && c->count < DEVICES_MAX; c->count++) {
		char path[96];

		snprintf(path, sizeof(path), "class/net/%s/carrier_down_count", devices[c->count]);
		r = netns_open_sysfs(n, path);
		if (r < 0)
			goto fail;
		c->fd[c->count] = r;
	}
	sem_init(&c->wanted, 0, 0);
	sem_init(&c->begun, 0, 0);
	sem_init(&c->seen, 0, 0);
	r = -pthread_create(&c->thread, NULL, carrier_thread, c);
	if (r < 0)
		goto fail;
	*ret = c;
	return 0;
fail:
	while (c->count > 0)
		close(c->fd[--c->count]);
	free(c);
	return r;
}

void carrier_destroy(struct carrier *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->stopping, true);
	sem_post(&c->wanted);
	pthread_join(c->thread, NULL);
	while (c->count > 0)
		close(c->fd[--c->count]);
	free(c);
}

void carrier_watch(struct carrier *c, unsigned device)
{
	c->watched = device;
	sem_post(&c->wanted);
	wait_for(&c->begun);
}

int64_t carrier_loss(struct carrier *c, int64_t timeout_ns)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ns / NS_PER_S;
	until.tv_nsec += timeout_ns % NS_PER_S;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_nsec -= NS_PER_S;
		until.tv_sec++;
	}
	while (sem_timedwait(&c->seen, &until) < 0) {
		if (errno != EINTR)
			return 0;
	}
	return c->loss_ns;
}
