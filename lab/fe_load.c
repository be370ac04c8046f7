/* fe-load: thousands of elements on one core, to measure a controller.
 *
 *	fe-load ADDRESS PORT NODES
 *
 * Speaks raw OpenFlow to the controller's IPv4 address.  There can be NODES nodes, each a number.
 * Commands come by standard input, a line each; each is answered, when all of it has happened or
 * 900 s have passed or a connection was lost meanwhile ("done": false), by a line of JSON:
 *
 *	connect COUNT              so many more elements, until all are synchronised
 *	announce FIRST COUNT WINDOW
 *	                           nodes speak, spread over the elements; so many may be unanswered
 *	move FIRST COUNT WINDOW    the same, each at the element after the one where it is
 *	latency COUNT PAUSE_MS     nodes move one by one; until the last element answered a barrier
 *	evacuate ELEMENT COUNT     nodes that are at the element speak elsewhere, all at once
 *	wait COUNT                 until so many elements are synchronised (after a restart)
 *
 * While something is measured it does not sleep: who sends to a process that does wakes it, which
 * is another machine's work where elements are on machines of their own.
 *
 * While it waits for elements it says {"complete": COUNT, "of": COUNT} now and then, lines before
 * the answer.  "admitted" are nodes that an element was told to let pass.  It ends with standard
 *input. */
#include "lab/load.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define EVENTS_MAX 1024
#define TIMEOUT_NS 900000000000ll
#define WAIT_MS 10
#define PROGRESS_NS 5000000000ll
#define BURST 512 /* announcements between two looks at what came */

static void serve(struct load *l, int wait_ms)
{
	static struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(l->epoll, events, EVENTS_MAX, wait_ms);

	for (int i = 0; i < count; i++)
		load_element_serve(events[i].data.ptr, events[i].events);
}

static void reconnect(struct load *l)
{
	int64_t now = load_now_ns();

	for (unsigned i = 0; i < l->count; i++)
		if (l->elements[i].fd < 0 && now >= l->elements[i].again_ns)
			load_element_connect(&l->elements[i]);
}

/* Whether '*what' got to 'until' in time. */
static bool wait_for(struct load *l, const uint64_t *what, uint64_t until)
{
	int64_t end = load_now_ns() + TIMEOUT_NS;

	while (*what < until) {
		serve(l, WAIT_MS);
		if (load_now_ns() > end)
			return false;
	}
	return true;
}

/* Says how far it is, every few seconds. */
static bool wait_complete(struct load *l, unsigned count)
{
	int64_t now = load_now_ns(), end = now + TIMEOUT_NS, said = now;

	while (l->complete < count && now < end) {
		reconnect(l);
		serve(l, WAIT_MS);
		now = load_now_ns();
		if (now - said < PROGRESS_NS)
			continue;
		said = now;
		printf("{\"complete\":%u,\"of\":%u}\n", l->complete, count);
		fflush(stdout);
	}
	return l->complete >= count;
}

static void print_done(bool done, int64_t begun)
{
	printf("{\"done\":%s,\"seconds\":%.6f}\n", done ? "true" : "false",
	       (double)(load_now_ns() - begun) / 1e9);
}

/* --- commands -------------------------------------------------------------------------------- */

static void connect_more(struct load *l, unsigned count)
{
	int64_t begun = load_now_ns();
	unsigned first = l->count;

	l->count += count;
	for (unsigned i = first; i < l->count; i++) {
		load_element_init(l, i);
		load_element_connect(&l->elements[i]);
	}
	print_done(wait_complete(l, l->count), begun);
}

/* Without another element it goes to the other port. */
static void speak(struct load *l, unsigned node, unsigned element)
{
	struct load_node *n = &l->nodes[node];
	struct load_element *e = &l->elements[element];

	if (n->speaks && n->element == element && n->port == LOAD_PORT)
		n->port = LOAD_PORT + 1;
	else
		n->port = LOAD_PORT;
	n->element = (uint16_t)element;
	n->speaks = true;
	l->changes++;
	load_put_announcement(&e->out, node, n->port, false);
}

static void flush_all(struct load *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->elements[i].out.size)
			load_element_flush(&l->elements[i]);
}

static unsigned place_for(const struct load *l, unsigned node, bool moves)
{
	return moves ? (l->nodes[node].element + 1u) % l->count : node % l->count;
}

static void speak_many(struct load *l, unsigned first, unsigned count, unsigned window, bool moves)
{
	uint64_t before = l->admitted, flow_mods = l->flow_mods, bytes = l->bytes_in;
	uint64_t losses = l->losses; /* what was said on a lost connection is never answered */
	int64_t begun = load_now_ns(), end = begun + TIMEOUT_NS;
	unsigned sent = 0;

	while (l->admitted - before < count && l->losses == losses && load_now_ns() < end) {
		unsigned burst = 0;

		while (sent < count && sent - (l->admitted - before) < window && burst++ < BURST) {
			speak(l, first + sent, place_for(l, first + sent, moves));
			sent++;
		}
		flush_all(l);
		serve(l, 0);
	}
	printf("{\"done\":%s,\"seconds\":%.6f,\"flow_mods\":%llu,\"bytes\":%llu}\n",
	       l->admitted - before >= count ? "true" : "false",
	       (double)(l->admitted_ns - begun) / 1e9,
	       (unsigned long long)(l->flow_mods - flow_mods),
	       (unsigned long long)(l->bytes_in - bytes));
}

static void rest(struct load *l, int64_t ns)
{
	int64_t end = load_now_ns() + ns;

	while (load_now_ns() < end)
		serve(l, 1);
}

/* One move: nanoseconds until the new element has its rules, and until the last element answered.
 */
static bool move_one(struct load *l, unsigned node, double *ret_new, double *ret_last)
{
	uint64_t before = l->admitted;
	int64_t begun, end = load_now_ns() + 10000000000ll;

	l->epoch++;
	l->settled = 0;
	begun = load_now_ns();
	speak(l, node, place_for(l, node, true));
	load_element_flush(&l->elements[l->nodes[node].element]);
	while ((l->settled < l->count || l->admitted == before) && load_now_ns() < end)
		serve(l, 0);
	*ret_new = (double)(l->admitted_ns - begun);
	*ret_last = (double)(l->settled_ns - begun);
	return l->settled >= l->count;
}

static void print_list(const char *name, const double *list, unsigned count)
{
	printf("\"%s\":[", name);
	for (unsigned i = 0; i < count; i++)
		printf("%s%.1f", i ? "," : "", list[i] / 1000);
	printf("]");
}

/* Each node in turn, so that none is moved twice within a second look's time. */
static void latency(struct load *l, unsigned count, unsigned pause_ms)
{
	double *first = memory_alloc_array(count, sizeof(double));
	double *last = memory_alloc_array(count, sizeof(double));
	bool done = true;

	for (unsigned i = 0; i < count && done; i++) {
		rest(l, pause_ms * 1000000ll);
		done = move_one(l, i, &first[i], &last[i]);
	}
	printf("{\"done\":%s,", done ? "true" : "false");
	print_list("new_us", first, count);
	printf(",");
	print_list("last_us", last, count);
	printf("}\n");
	free(first);
	free(last);
}

static void evacuate(struct load *l, unsigned element, unsigned count)
{
	uint64_t before = l->admitted;
	int64_t begun = load_now_ns();
	unsigned found = 0, to = 0;

	l->epoch++;
	l->settled = 0;
	for (unsigned i = 0; i < l->node_count && found < count; i++) {
		if (!l->nodes[i].speaks || l->nodes[i].element != element)
			continue;
		do
			to = (to + 1) % l->count;
		while (to == element && l->count > 1);
		speak(l, i, to);
		found++;
	}
	flush_all(l);
	bool done = wait_for(l, &l->admitted, before + found);

	printf("{\"done\":%s,\"nodes\":%u,\"seconds\":%.6f}\n", done ? "true" : "false", found,
	       (double)(l->admitted_ns - begun) / 1e9);
}

static void wait_again(struct load *l, unsigned count)
{
	int64_t begun = load_now_ns();
	bool done = wait_complete(l, count);

	print_done(done, begun);
}

static bool are_numbers_good(const struct load *l, const char *word, const unsigned n[3])
{
	if (strcmp(word, "connect") == 0)
		return n[0] && n[0] <= LOAD_ELEMENTS_MAX - l->count;
	if (strcmp(word, "announce") == 0 || strcmp(word, "move") == 0)
		return l->count && n[1] && n[2] && n[0] < l->node_count &&
		       n[1] <= l->node_count - n[0];
	if (strcmp(word, "latency") == 0)
		return l->count && n[0] && n[0] <= l->node_count;
	if (strcmp(word, "evacuate") == 0)
		return n[0] < l->count;
	return strcmp(word, "wait") == 0;
}

static void obey(struct load *l, char *line)
{
	const char *word = strtok(line, " \n");
	unsigned n[3] = {0};

	word = word ? word : "";
	for (unsigned i = 0; i < 3; i++) {
		const char *number = strtok(NULL, " \n");

		n[i] = number ? (unsigned)strtoul(number, NULL, 10) : 0;
	}
	if (!are_numbers_good(l, word, n))
		puts("{\"error\":\"not understood\"}");
	else if (strcmp(word, "connect") == 0)
		connect_more(l, n[0]);
	else if (strcmp(word, "announce") == 0)
		speak_many(l, n[0], n[1], n[2], false);
	else if (strcmp(word, "move") == 0)
		speak_many(l, n[0], n[1], n[2], true);
	else if (strcmp(word, "latency") == 0)
		latency(l, n[0], n[1]);
	else if (strcmp(word, "evacuate") == 0)
		evacuate(l, n[0], n[1]);
	else
		wait_again(l, n[0]);
	fflush(stdout);
}

/* Between commands the elements go on: a thread would be another core's. */
static void run(struct load *l)
{
	struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
	struct epoll_event events[EVENTS_MAX];
	char line[256];

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
		return;
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		int count = epoll_wait(l->epoll, events, EVENTS_MAX, WAIT_MS);

		reconnect(l);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr) {
				load_element_serve(events[i].data.ptr, events[i].events);
				continue;
			}
			if (!fgets(line, sizeof(line), stdin))
				return;
			(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
			obey(l, line);
			(void)epoll_ctl(l->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
			break; /* what else was ready is asked for again */
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = {LOAD_ELEMENTS_MAX + 64, LOAD_ELEMENTS_MAX + 64};
	struct load l = {.controller = {.sin_family = AF_INET}};

	if (argc == 4) {
		l.controller.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
		l.node_count = (unsigned)strtoul(argv[3], NULL, 10);
	}
	if (argc != 4 || !l.node_count || l.node_count > 15u << 20 ||
	    inet_pton(AF_INET, argv[1], &l.controller.sin_addr) != 1) {
		fputs("Usage: fe-load ADDRESS PORT NODES\n", stderr);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	load_template_init();
	l.elements = memory_alloc_array(LOAD_ELEMENTS_MAX, sizeof(*l.elements));
	l.nodes = memory_alloc_array(l.node_count, sizeof(*l.nodes));
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	run(&l);
	for (unsigned i = 0; i < l.count; i++)
		load_element_finish(&l.elements[i]);
	load_forget_sums(&l);
	free(l.elements);
	free(l.nodes);
	return EXIT_SUCCESS;
}
