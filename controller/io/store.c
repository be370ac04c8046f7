/* The store's queue: node changes and the last state of each changed attachment collect here on the
 * loop; one job at a time carries all of it to store_sql.c on libuv's thread pool, in one
 * transaction.  Node changes start a job at once, attachments within KEEP_MS. */
#include "controller/io/store.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/store_sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_MODULE("store");

#define KEEP_MS 100
#define REST_FACTOR 7 /* attachments rest so much longer than their last job took */

struct node_change {
	struct node_change *next;
	bool remove;
	enum { CHANGE_NODE, CHANGE_DRAIN, CHANGE_DEVICES } what; /* DRAIN: of the element 'id' */
	struct node_spec node;  /* 'id' alone where it is removed; DEVICES: of the node 'id' */
	struct device *devices; /* DEVICES */
	unsigned device_count;
	void (*done)(void *to, int result, const char *why);
	void *to;
};

struct kept {
	bool forget;
	struct attachment attachment; /* times since 1970; no id, which is the key */
};

struct kept_registration {
	char device[NAME_SIZE];
	bool forget;
	uint32_t lifetime_s;
};

struct backup {
	struct backup *next;
	void (*done)(void *to, int result, const void *bytes, size_t size, const char *why);
	void *to;
};

/* What one transaction writes. */
struct batch {
	struct node_change *first, **last;
	struct table attachments;   /* node, zero padded -> struct kept */
	struct table registrations; /* likewise -> struct kept_registration */
	uint16_t term;              /* 0: as it was */
};

struct store {
	struct sqlite3 *db; /* the job's while one runs */
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	uint16_t term;
	bool busy, closing;
	struct batch collecting, writing;
	uint64_t begun_ns, rest_ns; /* the job; until when attachments wait for the next one */
	int result;                 /* of the job */
	struct reason why;
	struct {
		struct backup *wanted, *making; /* making: the job's, one file for all */
		void *bytes;
		size_t size;
		int result;
		struct reason why;
	} backup;
};

static void batch_init(struct batch *b)
{
	b->first = NULL;
	b->last = &b->first;
	b->term = 0;
	table_init(&b->attachments, NAME_SIZE, sizeof(struct kept), 0);
	table_init(&b->registrations, NAME_SIZE, sizeof(struct kept_registration), 0);
}

static void batch_finish(struct batch *b)
{
	table_finish(&b->attachments);
	table_finish(&b->registrations);
}

static bool batch_is_empty(const struct batch *b)
{
	return !b->first && !b->attachments.count && !b->registrations.count && !b->term;
}

static int write_attachments(struct sqlite3 *db, const struct batch *b, struct reason *why)
{
	size_t at = 0;
	const void *node;
	struct attachment attachment;
	struct kept *k;
	struct sqlite3_stmt *keeper;
	int result = store_sql_prepare_keeper(db, &keeper, why);

	if (result < 0)
		return result;
	while (result == 0 && table_next(&b->attachments, &at, &node, (void **)&k)) {
		attachment = k->attachment;
		attachment.node = node;
		if (k->forget)
			result = store_sql_forget_attachment(db, node, why);
		else
			result = store_sql_keep_attachment(db, keeper, &attachment, why);
	}
	store_sql_finish_keeper(keeper);
	return result;
}

static int write_registrations(struct sqlite3 *db, const struct batch *b, struct reason *why)
{
	size_t at = 0;
	const void *node;
	struct kept_registration *k;
	int result = 0;

	while (result == 0 && table_next(&b->registrations, &at, &node, (void **)&k))
		result = store_sql_keep_registration(db, node, k->forget ? NULL : k->device,
						     k->lifetime_s, why);
	return result;
}

static int write_change(struct sqlite3 *db, const struct node_change *c, struct reason *why)
{
	if (c->what == CHANGE_DRAIN)
		return store_sql_write_drain(db, c->node.id, !c->remove, why);
	if (c->what == CHANGE_DEVICES)
		return store_sql_put_devices(db, c->node.id, c->devices, c->device_count, why);
	return c->remove ? store_sql_remove_node(db, c->node.id, why)
			 : store_sql_put_node(db, &c->node, why);
}

static int write_batch(struct sqlite3 *db, const struct batch *b, struct reason *why)
{
	int result = store_sql_begin(db, why);

	if (result < 0)
		return result;
	if (b->term)
		result = store_sql_write_term(db, b->term, why);
	for (struct node_change *c = b->first; c && result == 0; c = c->next)
		result = write_change(db, c, why);
	if (result == 0 && b->attachments.count)
		result = write_attachments(db, b, why);
	if (result == 0)
		result = write_registrations(db, b, why);
	if (result == 0)
		result = store_sql_commit(db, why);
	if (result < 0)
		store_sql_rollback(db);
	return result;
}

/* On a thread of the pool. */
static void run_job(uv_work_t *work)
{
	struct store *s = work->data;

	s->result = batch_is_empty(&s->writing) ? 0 : write_batch(s->db, &s->writing, &s->why);
	if (s->backup.making)
		s->backup.result =
			store_sql_backup(s->db, &s->backup.bytes, &s->backup.size, &s->backup.why);
}

static void start_job(struct store *s);

static void finish_backups(struct store *s)
{
	struct backup *b = s->backup.making;

	s->backup.making = NULL;
	while (b) {
		struct backup *next = b->next;

		b->done(b->to, s->backup.result, s->backup.bytes, s->backup.size,
			s->backup.why.text);
		free(b);
		b = next;
	}
	free(s->backup.bytes);
	s->backup.bytes = NULL;
}

/* Attachments that were not written go back, unless something newer came meanwhile. */
static void take_back(struct store *s)
{
	size_t at = 0;
	const void *node;
	void *kept;

	while (table_next(&s->writing.attachments, &at, &node, &kept)) {
		bool created;
		struct kept *newer = table_put(&s->collecting.attachments, node, &created);

		if (created)
			memcpy(newer, kept, sizeof(*newer));
	}
	at = 0;
	while (table_next(&s->writing.registrations, &at, &node, &kept)) {
		bool created;
		void *newer = table_put(&s->collecting.registrations, node, &created);

		if (created)
			memcpy(newer, kept, sizeof(struct kept_registration));
	}
	if (!s->collecting.term)
		s->collecting.term = s->writing.term;
}

static void free_change(struct node_change *c)
{
	if (c->devices)
		sign_wipe(c->devices, c->device_count * sizeof(*c->devices));
	free(c->devices);
	free(c);
}

static void finish_job(struct store *s)
{
	struct node_change *c = s->writing.first;

	if (s->result < 0) {
		log_warn_rl("not written: %s", s->why.text);
		take_back(s);
	}
	batch_finish(&s->writing);
	batch_init(&s->writing);
	while (c) {
		struct node_change *next = c->next;

		if (c->done)
			c->done(c->to, s->result, s->why.text);
		free_change(c);
		c = next;
	}
}

static void after_job(uv_work_t *work, int status)
{
	struct store *s = work->data;

	s->busy = false;
	s->rest_ns = uv_hrtime() + REST_FACTOR * (uv_hrtime() - s->begun_ns);
	finish_job(s);
	finish_backups(s);
	/* Whoever asked for a node waits; the rest waits for the timer, so that attachments that
	 * change all the time make one transaction each KEEP_MS. */
	if (s->collecting.first || s->backup.wanted)
		start_job(s);
}

static void start_job(struct store *s)
{
	if (s->busy || (batch_is_empty(&s->collecting) && !s->backup.wanted))
		return;
	s->backup.making = s->backup.wanted;
	s->backup.wanted = NULL;
	s->writing = s->collecting;
	if (!s->writing.first)
		s->writing.last = &s->writing.first;
	batch_init(&s->collecting);
	s->busy = true;
	s->begun_ns = uv_hrtime();
	s->work.data = s;
	if (uv_queue_work(s->loop, &s->work, run_job, after_job) < 0) {
		run_job(&s->work);
		after_job(&s->work, 0);
	}
}

/* Where more nodes move than can be written, the worker takes an eighth of one core: a node that
 * moves again meanwhile is written once. */
static void on_timer(uv_timer_t *timer)
{
	struct store *s = timer->data;

	if (s->collecting.first || s->collecting.term || uv_hrtime() >= s->rest_ns)
		start_job(s);
}

static int prepare_directory(const char *directory, struct reason *why)
{
	struct stat s;

	if (mkdir(directory, 0750) < 0 && errno != EEXIST)
		return reason_set(why, -errno,
				  "state directory %s: %s; make it, or set 'state' in the config",
				  directory, strerror(errno));
	if (stat(directory, &s) < 0 || !S_ISDIR(s.st_mode))
		return reason_set(why, -ENOTDIR, "state %s is no directory", directory);
	if (access(directory, W_OK | X_OK) < 0)
		return reason_set(
			why, -errno,
			"state directory %s: not writable by this user (%s); run as its owner, or "
			"set 'state' in the config",
			directory, strerror(errno));
	return 0;
}

/* This start's term, durable before anybody hears of it. */
static int take_term(struct store *s, struct reason *why)
{
	uint16_t last = 0;
	int result = store_sql_read_term(s->db, &last, why);

	if (result < 0)
		return result;
	if (last == UINT16_MAX)
		return reason_set(why, -ERANGE,
				  "the store has used all %u terms; move it away and start again",
				  UINT16_MAX);
	s->term = (uint16_t)(last + 1);
	struct batch b = {.first = NULL, .term = s->term};

	batch_init(&b);
	b.term = s->term;
	return write_batch(s->db, &b, why);
}

int store_open(const char *directory, uv_loop_t *loop, struct store **ret, struct reason *why)
{
	int result = prepare_directory(directory, why);

	if (result < 0)
		return result;
	struct store *s = memory_alloc(sizeof(*s));
	char *path = memory_format("%s/controller.db", directory);

	s->loop = loop;
	batch_init(&s->collecting);
	batch_init(&s->writing);
	result = store_sql_open(path, &s->db, why);
	if (result == 0)
		result = take_term(s, why);
	free(path);
	if (result < 0) {
		store_sql_close(s->db);
		free(s);
		return result;
	}
	(void)uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	(void)uv_timer_start(&s->timer, on_timer, KEEP_MS, KEEP_MS);
	uv_unref((uv_handle_t *)&s->timer);
	*ret = s;
	return 0;
}

static void on_timer_closed(uv_handle_t *timer)
{
	struct store *s = timer->data;

	batch_finish(&s->collecting);
	batch_finish(&s->writing);
	store_sql_close(s->db);
	free(s);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	uv_timer_stop(&s->timer);
	while (s->busy || s->collecting.first || s->backup.wanted) /* whoever waits is answered */
		uv_run(s->loop, UV_RUN_ONCE);
	s->writing = s->collecting;
	s->writing.last = &s->writing.first;
	batch_init(&s->collecting);
	if (!batch_is_empty(&s->writing)) {
		s->result = write_batch(s->db, &s->writing, &s->why);
		finish_job(s);
	}
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

uint16_t store_term(const struct store *s)
{
	return s->term;
}

int store_read_nodes(struct store *s, void (*each)(void *to, const struct node_spec *n), void *to,
		     struct reason *why)
{
	return store_sql_read_nodes(s->db, each, to, why);
}

/* Hands an attachment on with its times on our clock. */
struct attachment_reader {
	void (*each)(void *to, const struct attachment *a);
	void *to;
};

static void hand_on(void *to, const struct attachment *a)
{
	const struct attachment_reader *r = to;
	struct attachment ours = *a;

	ours.since_ms = clock_from_calendar_ms(a->since_ms);
	ours.heard_ms = clock_from_calendar_ms(a->heard_ms);
	r->each(r->to, &ours);
}

int store_read_attachments(struct store *s, void (*each)(void *to, const struct attachment *a),
			   void *to, struct reason *why)
{
	struct attachment_reader r = {.each = each, .to = to};

	return store_sql_read_attachments(s->db, hand_on, &r, why);
}

static struct node_change *add_change(struct store *s,
				      void (*done)(void *to, int result, const char *why), void *to)
{
	struct node_change *c = memory_alloc(sizeof(*c));

	c->done = done;
	c->to = to;
	*s->collecting.last = c;
	s->collecting.last = &c->next;
	return c;
}

void store_put_node(struct store *s, const struct node_spec *n,
		    void (*done)(void *to, int result, const char *why), void *to)
{
	add_change(s, done, to)->node = *n;
	start_job(s);
}

void store_remove_node(struct store *s, const char *id,
		       void (*done)(void *to, int result, const char *why), void *to)
{
	struct node_change *c = add_change(s, done, to);

	c->remove = true;
	snprintf(c->node.id, sizeof(c->node.id), "%s", id);
	start_job(s);
}

void store_put_devices(struct store *s, const char *node, const struct device *list, unsigned count,
		       void (*done)(void *to, int result, const char *why), void *to)
{
	struct node_change *c = add_change(s, done, to);

	c->what = CHANGE_DEVICES;
	snprintf(c->node.id, sizeof(c->node.id), "%s", node);
	c->devices = memory_alloc_array(count ? count : 1, sizeof(*c->devices));
	if (count)
		memcpy(c->devices, list, count * sizeof(*list));
	c->device_count = count;
	start_job(s);
}

int store_read_devices(struct store *s, void (*each)(void *to, const struct device *d), void *to,
		       struct reason *why)
{
	return store_sql_read_devices(s->db, each, to, why);
}

int store_read_registrations(struct store *s,
			     void (*each)(void *to, const char *node, const char *device,
					  uint32_t lifetime_s),
			     void *to, struct reason *why)
{
	return store_sql_read_registrations(s->db, each, to, why);
}

void store_keep_registration(struct store *s, const char *node, const char *device,
			     uint32_t lifetime_s)
{
	struct kept_registration *k;
	char key[NAME_SIZE] = {0};

	memcpy(key, node, strnlen(node, sizeof(key) - 1));
	k = table_put(&s->collecting.registrations, key, NULL);
	snprintf(k->device, sizeof(k->device), "%s", device ? device : "");
	k->forget = !device;
	k->lifetime_s = lifetime_s;
}

void store_drain(struct store *s, const char *element, bool drains,
		 void (*done)(void *to, int result, const char *why), void *to)
{
	struct node_change *c = add_change(s, done, to);

	c->what = CHANGE_DRAIN;
	c->remove = !drains;
	snprintf(c->node.id, sizeof(c->node.id), "%s", element);
	start_job(s);
}

int store_read_drains(struct store *s, void (*each)(void *to, const char *element), void *to,
		      struct reason *why)
{
	return store_sql_read_drains(s->db, each, to, why);
}

static struct kept *collect(struct store *s, const char *node)
{
	char key[NAME_SIZE] = {0};

	memcpy(key, node, strnlen(node, sizeof(key) - 1));
	return table_put(&s->collecting.attachments, key, NULL);
}

void store_keep_attachment(struct store *s, const struct attachment *a)
{
	struct kept *k = collect(s, a->node);

	k->forget = false;
	k->attachment = *a;
	k->attachment.node = NULL;
	k->attachment.since_ms = clock_to_calendar_ms(a->since_ms);
	k->attachment.heard_ms = clock_to_calendar_ms(a->heard_ms);
}

void store_forget_attachment(struct store *s, const char *node)
{
	collect(s, node)->forget = true;
}

void store_keep_term(struct store *s, uint16_t term)
{
	if (term <= s->term)
		return;
	s->term = term;
	s->collecting.term = term;
}

void store_backup(struct store *s,
		  void (*done)(void *to, int result, const void *bytes, size_t size,
			       const char *why),
		  void *to)
{
	struct backup *b = memory_alloc(sizeof(*b));

	*b = (struct backup){.next = s->backup.wanted, .done = done, .to = to};
	s->backup.wanted = b;
	start_job(s);
}
