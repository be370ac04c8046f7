/* See audit.h.  Jobs are in one list; the thread takes all that wait, writes them, syncs once, and
 * then says done to each: many changes cost one sync. */
#include "controller/io/audit.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_MODULE("audit");

struct job {
	struct job *next;
	char *line; /* NULL: it reads, or does 'work' */
	unsigned count;
	void (*done)(void *to, int result);
	void (*read)(void *to, const struct buffer *lines);
	void (*work)(void *to);
	void *to;
};

struct audit {
	char *path;
	int fd;
	off_t size;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct job *jobs, **last_job;
	unsigned waiting;
	bool stop;
	_Atomic uint64_t lost;
};

/* ---- the files ---- */

static int open_file(struct audit *a)
{
	struct stat file;

	a->fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd < 0 || fstat(a->fd, &file) < 0)
		return -errno;
	a->size = file.st_size;
	return 0;
}

static int rotate(struct audit *a)
{
	for (unsigned i = AUDIT_FILES - 1; i > 0; i--) {
		char *to = memory_format("%s.%u", a->path, i);
		char *from =
			i > 1 ? memory_format("%s.%u", a->path, i - 1) : memory_copy_text(a->path);

		(void)rename(from, to);
		free(from);
		free(to);
	}
	close(a->fd);
	return open_file(a);
}

/* What a write that failed half way left is cut off again. */
static int write_line(struct audit *a, const char *line)
{
	size_t size = strlen(line), done = 0;
	int result = a->fd < 0 ? open_file(a) : 0;

	if (result == 0 && a->size > 0 && (size_t)a->size + size >= AUDIT_FILE_SIZE)
		result = rotate(a);
	while (result == 0 && done < size) {
		ssize_t some = write(a->fd, line + done, size - done);

		if (some < 0 && errno != EINTR)
			result = -errno;
		done += some > 0 ? (size_t)some : 0;
	}
	if (result == 0)
		a->size += (off_t)size;
	else if (done && ftruncate(a->fd, a->size) < 0)
		a->size += (off_t)done;
	return result;
}

/* The last 'count' lines of a file before what 'lines' has; returns how many. */
static unsigned read_last(const char *path, unsigned count, struct buffer *lines)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat file;
	struct buffer all = {0};
	unsigned found = 0;

	if (fd < 0)
		return 0;
	if (fstat(fd, &file) == 0 && file.st_size > 0 &&
	    file.st_size <= (off_t)2 * AUDIT_FILE_SIZE) {
		uint8_t *room = buffer_add(&all, (size_t)file.st_size);
		ssize_t got = read(fd, room, (size_t)file.st_size);

		all.size = got > 0 ? (size_t)got : 0;
	}
	close(fd);
	size_t from = all.size;

	while (from > 0 && found < count) {
		from--;
		while (from > 0 && all.data[from - 1] != '\n')
			from--;
		found++;
	}
	struct buffer joined = {0};

	buffer_add_bytes(&joined, all.data + from, all.size - from);
	buffer_add_bytes(&joined, lines->data, lines->size);
	buffer_finish(lines);
	buffer_finish(&all);
	*lines = joined;
	return found;
}

static void read_job(const struct audit *a, const struct job *j)
{
	struct buffer lines = {0};
	unsigned found = read_last(a->path, j->count, &lines);

	for (unsigned i = 1; i < AUDIT_FILES && found < j->count; i++) {
		char *path = memory_format("%s.%u", a->path, i);

		found += read_last(path, j->count - found, &lines);
		free(path);
	}
	j->read(j->to, &lines);
	buffer_finish(&lines);
}

/* ---- the thread ---- */

static int write_all(struct audit *a, struct job *jobs)
{
	int result = 0;
	bool any = false;

	for (struct job *j = jobs; j; j = j->next) {
		if (!j->line)
			continue;
		any = true;
		result = result ? result : write_line(a, j->line);
	}
	if (any && result == 0 && fdatasync(a->fd) < 0)
		result = -errno;
	if (result < 0)
		log_error("%s: %s; changes go on, and are in this log", a->path, strerror(-result));
	return result;
}

static void finish_jobs(struct audit *a, struct job *jobs, int result)
{
	while (jobs) {
		struct job *next = jobs->next;

		if (jobs->work)
			jobs->work(jobs->to);
		else if (jobs->read)
			read_job(a, jobs);
		else if (jobs->done)
			jobs->done(jobs->to, result);
		if (jobs->line && result < 0)
			a->lost++;
		free(jobs->line);
		free(jobs);
		jobs = next;
	}
}

static void *run_thread(void *audit)
{
	struct audit *a = audit;
	bool stop = false;

	pthread_setname_np(pthread_self(), "audit");
	while (!stop) {
		pthread_mutex_lock(&a->lock);
		while (!a->jobs && !a->stop)
			pthread_cond_wait(&a->news, &a->lock);
		struct job *jobs = a->jobs;

		a->jobs = NULL;
		a->last_job = &a->jobs;
		a->waiting = 0;
		stop = a->stop && !jobs;
		pthread_mutex_unlock(&a->lock);
		finish_jobs(a, jobs, write_all(a, jobs));
	}
	return NULL;
}

static bool submit(struct audit *a, const struct job *job)
{
	pthread_mutex_lock(&a->lock);
	bool room = a->waiting < AUDIT_WAITING_MAX;

	if (room) {
		struct job *j = memory_copy(job, sizeof(*job));

		*a->last_job = j;
		a->last_job = &j->next;
		a->waiting++;
		pthread_cond_signal(&a->news);
	}
	pthread_mutex_unlock(&a->lock);
	return room;
}

void audit_add(struct audit *a, const char *line, void (*done)(void *to, int result), void *to)
{
	struct job j = {.line = memory_format("%s\n", line), .done = done, .to = to};

	if (submit(a, &j))
		return;
	a->lost++;
	free(j.line);
	if (done)
		done(to, -EAGAIN);
}

void audit_read(struct audit *a, unsigned count, void (*done)(void *to, const struct buffer *lines),
		void *to)
{
	struct job j = {.count = count, .read = done, .to = to};
	struct buffer none = {0};

	if (!submit(a, &j))
		done(to, &none);
}

bool audit_do(struct audit *a, void (*work)(void *to), void *to)
{
	struct job j = {.work = work, .to = to};

	return submit(a, &j);
}

uint64_t audit_lost(const struct audit *a)
{
	return atomic_load(&a->lost);
}

int audit_open(const char *directory, struct audit **ret, struct reason *why)
{
	struct audit *a = memory_alloc(sizeof(*a));
	sigset_t all, old;

	a->path = memory_format("%s/audit.log", directory);
	a->last_job = &a->jobs;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->news, NULL);
	int result = open_file(a);

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (result == 0)
		result = -pthread_create(&a->thread, NULL, run_thread, a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (result == 0) {
		*ret = a;
		return 0;
	}
	reason_set(why, result, "%s: %s", a->path, strerror(-result));
	if (a->fd >= 0)
		close(a->fd);
	free(a->path);
	free(a);
	return result;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->news);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	if (a->fd >= 0)
		close(a->fd);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->news);
	free(a->path);
	free(a);
}
