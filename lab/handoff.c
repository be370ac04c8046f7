/* lab-handoff: the paper's measurement of a handoff (Section 5), to the microsecond.
 *
 * A station roams between two access points while it probes a third machine and is probed by it.
 * A move: the station leaves the old access point (no frame passes its port any more) and joins the
 * new one, in one netlink call that begins at t0 and returns at t1; it broadcasts its announcement;
 * then the old access point's carrier goes down, some 50 us after t0.  Nothing is programmed
 * beforehand.  Outage, each way: from t0, so a little more than from the carrier's loss, to the
 * first packet by the new port: a probe that arrived at the station after t1, or that the station
 * sent after t1 and the third machine received, less --flight-us, the labs' delay lines on the way:
 * until then the third machine gets what was sent before.  A move whose first packet does not come
 * within --timeout-ms has failed; it counts with that time, and the next one begins all the same,
 * until there are --failures.
 *
 * Of the probes each move is told how many, both ways together, were lost, duplicated, reordered
 * and late, as tally.h defines.  A move's period begins where a probe could still be under way to
 * the old port, that flight and 1 ms before t0, and lasts until the next move's.
 *
 * Who has an orchestrator is told by it of the move: --orchestrator names a datagram socket, which
 * gets "moved PORT" when the move's call has returned, before the station announces itself, and
 * with --prepare-ms "prepare PORT" so long before the move.  The station announces itself by
 * gratuitous ARP; --announce makes that RARP, or nothing, for those that need no announcement.
 *
 * Prints one JSON object.  Uses probe.c, air.c, netns.c and tally.c; lab/handoff.py runs it. */
#include "base/memory.h"
#include "lab/air.h"
#include "lab/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000LL
#define SPREAD_NS (15 * NS_PER_MS)
#define MARGIN_NS (1 * NS_PER_MS)

struct options {
	const char *air, *ports[2], *host, *host_device, *host_address, *host_mac, *peer,
		*peer_address, *orchestrator, *announce;
	long moves, probe_us, ping_ms, rest_ms, pause_ms, prepare_ms, timeout_ms, flight_us,
		failures, seed;
	bool details, progress;
};

struct move {
	int64_t t0, t1;   /* the call that moves begins, returns */
	int64_t down;     /* the old carrier is gone */
	int64_t first[2]; /* first packet each way; 0: none came */
	unsigned pings_lost[2];
	struct tally_counts probes; /* both ways together */
};

struct announcement {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed));

struct handoff {
	struct options options;
	struct air air;
	struct probe *probe;
	int announce;     /* packet socket on the station's device */
	int orchestrator; /* -1: none */
	struct announcement announcement;
	struct move *moves;
	long done, failed;
	unsigned at; /* the access point of now */
	uint64_t random;
};

static NORETURN void die(const char *what, int error)
{
	fprintf(stderr, "lab-handoff: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* ---- the options ---- */

static NORETURN void usage(void)
{
	fprintf(stderr,
		"usage: lab-handoff --air NETNS --ports FROM,TO --host NETNS --host-device "
		"DEV --host-address IP\n       --host-mac MAC --peer NETNS --peer-address IP "
		"[--moves N] [--probe-us N] [--ping-ms N]\n       [--rest-ms N] [--pause-ms N] "
		"[--prepare-ms N] [--timeout-ms N] [--flight-us N]\n       [--failures N] "
		"[--orchestrator SOCKET] [--seed N] [--details] [--progress]\n");
	exit(2);
}

static long parse_number(const char *text, long least, long most)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || value < least || value > most) {
		fprintf(stderr, "lab-handoff: '%s': a number from %ld to %ld is wanted\n", text,
			least, most);
		exit(2);
	}
	return value;
}

static void parse_ports(struct options *o, char *text)
{
	char *comma = strchr(text, ',');

	if (comma == NULL)
		usage();
	*comma = '\0';
	o->ports[0] = text;
	o->ports[1] = comma + 1;
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = {.moves = 1000,
			    .probe_us = 200,
			    .ping_ms = 10,
			    .rest_ms = 5,
			    .pause_ms = 15,
			    .timeout_ms = 2000,
			    .failures = 3,
			    .announce = "arp",
			    .seed = 1};
	struct {
		const char *name;
		const char **text;
		long *number, least, most;
	} table[] = {
		{"air", &o.air, NULL, 0, 0},
		{"host", &o.host, NULL, 0, 0},
		{"host-device", &o.host_device, NULL, 0, 0},
		{"host-address", &o.host_address, NULL, 0, 0},
		{"host-mac", &o.host_mac, NULL, 0, 0},
		{"peer", &o.peer, NULL, 0, 0},
		{"peer-address", &o.peer_address, NULL, 0, 0},
		{"announce", &o.announce, NULL, 0, 0},
		{"moves", NULL, &o.moves, 1, 1000000},
		{"probe-us", NULL, &o.probe_us, 50, 100000},
		{"ping-ms", NULL, &o.ping_ms, 1, 1000},
		{"rest-ms", NULL, &o.rest_ms, 0, 10000},
		{"pause-ms", NULL, &o.pause_ms, 1, 10000},
		{"prepare-ms", NULL, &o.prepare_ms, 0, 10000},
		{"timeout-ms", NULL, &o.timeout_ms, 1, 60000},
		{"flight-us", NULL, &o.flight_us, 0, 1000000},
		{"failures", NULL, &o.failures, 1, 1000000},
		{"seed", NULL, &o.seed, 1, LONG_MAX},
	};
	struct option names[ARRAY_SIZE(table) + 5] = {
		{"orchestrator", required_argument, NULL, 'o'},
		{"ports", required_argument, NULL, 'p'},
		{"details", no_argument, NULL, 'd'},
		{"progress", no_argument, NULL, 'r'},
	};
	int c, which = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		names[i + 4] = (struct option){table[i].name, required_argument, NULL, 't'};
	while ((c = getopt_long(argc, argv, "", names, &which)) != -1) {
		if (c == 'd')
			o.details = true;
		else if (c == 'r')
			o.progress = true;
		else if (c == 'o')
			o.orchestrator = optarg;
		else if (c == 'p')
			parse_ports(&o, optarg);
		else if (c != 't')
			usage();
		else if (table[which - 4].text != NULL)
			*table[which - 4].text = optarg;
		else
			*table[which - 4].number =
				parse_number(optarg, table[which - 4].least, table[which - 4].most);
	}
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].text != NULL && *table[i].text == NULL)
			usage();
	}
	if (o.ports[0] == NULL || optind != argc ||
	    (strcmp(o.announce, "arp") != 0 && strcmp(o.announce, "rarp") != 0 &&
	     strcmp(o.announce, "nothing") != 0))
		usage();
	return o;
}

static struct in_addr parse_address(const char *text)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		die(text, EINVAL);
	return address;
}

/* ---- the start ---- */

/* "Which address has this MAC?" (RFC 903): what a hypervisor says in its guest's name. */
static void make_rarp(struct announcement *a)
{
	a->ethernet.ether_type = htons(ETHERTYPE_REVARP);
	a->arp.ea_hdr.ar_op = htons(ARPOP_RREQUEST);
	memcpy(a->arp.arp_tha, a->arp.arp_sha, ETH_ALEN);
	memset(a->arp.arp_spa, 0, sizeof(a->arp.arp_spa));
	memset(a->arp.arp_tpa, 0, sizeof(a->arp.arp_tpa));
}

static void fill_announcement(struct handoff *h)
{
	struct announcement *a = &h->announcement;
	struct in_addr address = parse_address(h->options.host_address);
	unsigned m[6];
	char rest;

	if (sscanf(h->options.host_mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3],
		   &m[4], &m[5], &rest) != 6)
		die(h->options.host_mac, EINVAL);
	for (unsigned i = 0; i < 6; i++)
		a->arp.arp_sha[i] = a->ethernet.ether_shost[i] = (uint8_t)m[i];
	memset(a->ethernet.ether_dhost, 0xff, ETH_ALEN);
	a->ethernet.ether_type = htons(ETHERTYPE_ARP);
	a->arp.ea_hdr = (struct arphdr){.ar_hrd = htons(ARPHRD_ETHER),
					.ar_pro = htons(ETHERTYPE_IP),
					.ar_hln = ETH_ALEN,
					.ar_pln = sizeof(address),
					.ar_op = htons(ARPOP_REQUEST)};
	memcpy(a->arp.arp_spa, &address, sizeof(address));
	memcpy(a->arp.arp_tpa, &address, sizeof(address));
	if (strcmp(h->options.announce, "rarp") == 0)
		make_rarp(a);
}

static void open_announcer(struct handoff *h, struct netns *host)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};

	to.sll_ifindex = (int)netns_device(host, h->options.host_device);
	if (to.sll_ifindex == 0)
		die(h->options.host_device, ENODEV);
	h->announce = netns_socket(host, AF_PACKET, SOCK_RAW, 0);
	if (h->announce < 0)
		die("packet socket", h->announce);
	if (bind(h->announce, (struct sockaddr *)&to, sizeof(to)) < 0)
		die(h->options.host_device, errno);
}

static void open_orchestrator(struct handoff *h)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = h->options.orchestrator;

	h->orchestrator = -1;
	if (path == NULL)
		return;
	if (strlen(path) >= sizeof(to.sun_path))
		die(path, ENAMETOOLONG);
	strcpy(to.sun_path, path);
	h->orchestrator = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (h->orchestrator < 0 || connect(h->orchestrator, (struct sockaddr *)&to, sizeof(to)) < 0)
		die(path, errno);
}

static void open_all(struct handoff *h)
{
	const struct options *o = &h->options;
	const char *paths[] = {o->air, o->host, o->peer};
	struct probe_config config = {
		.host = parse_address(o->host_address),
		.peer = parse_address(o->peer_address),
		.probe_interval_ns = o->probe_us * 1000LL,
		.ping_interval_ns = o->ping_ms * NS_PER_MS,
	};
	struct netns n[3];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(n); i++) {
		r = netns_open(&n[i], paths[i]);
		if (r < 0)
			die(paths[i], r);
	}
	r = air_open(&h->air, &n[0], o->ports);
	if (r < 0)
		die("the access points' ports", r);
	open_announcer(h, &n[1]);
	open_orchestrator(h);
	r = probe_create(&config, &n[1], &n[2], &h->probe);
	if (r < 0)
		die("the probes' sockets", r);
	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		netns_close(&n[i]);
	fill_announcement(h);
	h->moves = memory_alloc_array((size_t)o->moves, sizeof(struct move));
	h->random = (uint64_t)o->seed * 0x9e3779b97f4a7c15u;
}

/* ---- moving ---- */

static void sleep_ns(int64_t ns)
{
	struct timespec time = {ns / 1000000000LL, ns % 1000000000LL};

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

/* From the base to 15 ms more, or to twice that: moves must not beat against the probes. */
static int64_t randomized(struct handoff *h, int64_t base_ns)
{
	int64_t more = base_ns < SPREAD_NS ? base_ns : SPREAD_NS;

	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return base_ns + (int64_t)(h->random % (uint64_t)(more + 1));
}

static void tell(const struct handoff *h, const char *what, unsigned port)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "%s %s", what, h->options.ports[port]);

	if (h->orchestrator >= 0 && send(h->orchestrator, text, (size_t)size, 0) < 0)
		die(h->options.orchestrator, errno);
}

static void announce(const struct handoff *h)
{
	if (strcmp(h->options.announce, "nothing") != 0 &&
	    send(h->announce, &h->announcement, sizeof(h->announcement), 0) < 0)
		die("the announcement", errno);
}

static void move_once(struct handoff *h, struct move *m)
{
	int64_t timeout = h->options.timeout_ms * NS_PER_MS;
	int r;

	if (h->options.prepare_ms > 0) {
		tell(h, "prepare", !h->at);
		sleep_ns(h->options.prepare_ms * NS_PER_MS);
	}
	m->t0 = probe_now_ns();
	r = air_move(&h->air, h->at, !h->at);
	m->t1 = probe_now_ns();
	if (r < 0)
		die("the kernel refused the move", r);
	tell(h, "moved", !h->at);
	announce(h);
	r = air_set_carrier(&h->air, h->at, false);
	if (r < 0)
		die("the old port's carrier", r);
	m->down = probe_now_ns();
	h->at = !h->at;
	for (unsigned way = 0; way < 2; way++)
		m->first[way] =
			probe_first_after(h->probe, way, m->t1, m->t0 + timeout - probe_now_ns());
	sleep_ns(randomized(h, h->options.rest_ms * NS_PER_MS));
	r = air_set_carrier(&h->air, !h->at, true);
	if (r < 0)
		die("the kernel refused to give a carrier back", r);
	sleep_ns(randomized(h, h->options.pause_ms * NS_PER_MS));
}

static void wait_flowing(struct handoff *h)
{
	int64_t now = probe_now_ns();

	for (unsigned way = 0; way < 2; way++) {
		if (probe_first_after(h->probe, way, now, h->options.timeout_ms * NS_PER_MS) == 0)
			die(way == PROBE_UP ? "no probe from the host reaches the peer"
					    : "no probe from the peer reaches the host",
			    ETIMEDOUT);
	}
	sleep_ns(50 * NS_PER_MS);
}

static void move_all(struct handoff *h)
{
	while (h->done < h->options.moves) {
		struct move *m = &h->moves[h->done++];

		move_once(h, m);
		if ((m->first[0] == 0 || m->first[1] == 0) && ++h->failed == h->options.failures)
			return;
		if (h->options.progress && h->done % 100 == 0)
			fprintf(stderr, "%ld\n", h->done);
	}
}

/* ---- the result ---- */

/* Of a move's period: a probe may be under way when it moves. */
static int64_t begin_ns(const struct handoff *h, const struct move *m)
{
	return m->t0 - MARGIN_NS - h->options.flight_us * 1000LL;
}

static void count_lost_pings(struct handoff *h, enum probe_way way)
{
	size_t count;
	const struct ping *pings = probe_pings(h->probe, way, &count);
	long move = -1;

	for (size_t i = 0; i < count; i++) {
		while (move + 1 < h->done && begin_ns(h, &h->moves[move + 1]) <= pings[i].sent_ns)
			move++;
		if (!pings[i].answered && move >= 0)
			h->moves[move].pings_lost[way]++;
	}
}

static void count_probes(struct handoff *h)
{
	int64_t *begins = memory_alloc_array((size_t)h->done, sizeof(*begins));
	struct tally_counts *counts = memory_alloc_array((size_t)h->done, sizeof(*counts));

	for (long i = 0; i < h->done; i++)
		begins[i] = begin_ns(h, &h->moves[i]);
	for (unsigned way = 0; way < 2; way++)
		tally_count(probe_tally(h->probe, way), begins, (size_t)h->done, counts);
	for (long i = 0; i < h->done; i++)
		h->moves[i].probes = counts[i];
	free(begins);
	free(counts);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_spread(const char *name, double *values, size_t count, int digits)
{
	qsort(values, count, sizeof(*values), compare);
	size_t p99 = (count * 99 + 99) / 100 - 1;
	printf("  \"%s\": {\"min\": %.*f, \"median\": %.*f, \"p99\": %.*f, \"max\": %.*f},\n", name,
	       digits, values[0], digits, values[count / 2], digits, values[p99], digits,
	       values[count - 1]);
}

static double outage_ms(const struct handoff *h, const struct move *m, unsigned way)
{
	int64_t flight = 0;

	if (m->first[way] == 0)
		return (double)h->options.timeout_ms;
	if (way == PROBE_UP)
		flight = h->options.flight_us * 1000LL;
	return (double)(m->first[way] - m->t0 - flight) / (double)NS_PER_MS;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* What is measured of one move; ways are the enum's. */
enum measure {
	OUTAGE,
	OUTAGE_UP,
	OUTAGE_DOWN,
	CARRIER_GONE,
	PINGS,
	PINGS_BOTH,
	LOST,
	DUPLICATED,
	REORDERED,
	LATE,
	MEASURES
};

static double measure(const struct handoff *h, const struct move *m, enum measure what)
{
	switch (what) {
	case OUTAGE_UP:
		return outage_ms(h, m, PROBE_UP);
	case OUTAGE_DOWN:
		return outage_ms(h, m, PROBE_DOWN);
	case CARRIER_GONE:
		return (double)(m->down - m->t0) / (double)NS_PER_MS;
	case PINGS:
		return larger(m->pings_lost[0], m->pings_lost[1]);
	case PINGS_BOTH:
		return m->pings_lost[0] + m->pings_lost[1];
	case LOST:
		return m->probes.lost;
	case DUPLICATED:
		return m->probes.duplicated;
	case REORDERED:
		return m->probes.reordered;
	case LATE:
		return m->probes.late;
	case OUTAGE:
	case MEASURES:
		break;
	}
	return larger(outage_ms(h, m, PROBE_UP), outage_ms(h, m, PROBE_DOWN));
}

static void print_details(const struct handoff *h)
{
	static const struct {
		const char *name;
		enum measure what;
	} table[] = {{"outages_up_ms", OUTAGE_UP},  {"outages_down_ms", OUTAGE_DOWN},
		     {"each_lost", LOST},           {"each_duplicated", DUPLICATED},
		     {"each_reordered", REORDERED}, {"each_late", LATE}};

	for (size_t d = 0; d < ARRAY_SIZE(table); d++) {
		printf("  \"%s\": [", table[d].name);
		for (long i = 0; i < h->done; i++)
			printf("%s%.*f", i == 0 ? "" : ", ", table[d].what >= PINGS ? 0 : 3,
			       measure(h, &h->moves[i], table[d].what));
		printf("],\n");
	}
}

static void print_result(struct handoff *h)
{
	static const char *const names[MEASURES] = {
		"outage_ms",          "outage_up_ms",         "outage_down_ms", "carrier_gone_ms",
		"pings_lost_at_10ms", "pings_lost_both_ways", "probes_lost",    "probes_duplicated",
		"probes_reordered",   "probes_late"};
	double *values = memory_alloc_array((size_t)h->done, sizeof(double));
	double load[3] = {0};
	uint64_t sent, received;

	printf("{\n  \"moves\": %ld,\n  \"failed\": %ld,\n  \"probe_interval_ms\": %.3f,\n",
	       h->done, h->failed, (double)h->options.probe_us / 1000.0);
	for (unsigned what = 0; what < MEASURES; what++) {
		for (long i = 0; i < h->done; i++)
			values[i] = measure(h, &h->moves[i], what);
		print_spread(names[what], values, (size_t)h->done, what >= PINGS ? 0 : 3);
	}
	if (h->options.details)
		print_details(h);
	probe_count(h->probe, &sent, &received);
	getloadavg(load, 3);
	printf("  \"probes_sent\": %llu,\n  \"probes_received\": %llu,\n  \"at\": \"%s\",\n"
	       "  \"loadavg\": [%.2f, %.2f, %.2f]\n}\n",
	       (unsigned long long)sent, (unsigned long long)received, h->options.ports[h->at],
	       load[0], load[1], load[2]);
	free(values);
}

int main(int argc, char **argv)
{
	struct handoff h = {.options = parse_options(argc, argv)};
	int r;

	/* Best effort: a probe that waits for a processor looks like an outage.  Below the daemons.
	 */
	if (sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1}) < 0)
		fprintf(stderr, "lab-handoff: no real-time priority: %s\n", strerror(errno));
	open_all(&h);
	r = probe_start(h.probe);
	if (r < 0)
		die("the probes' thread", r);
	wait_flowing(&h);
	move_all(&h);
	probe_stop(h.probe);
	for (unsigned way = 0; way < 2; way++)
		count_lost_pings(&h, way);
	count_probes(&h);
	fclose(stderr); /* handoff.py reads it to its end, and the result is longer than a pipe */
	print_result(&h);
	probe_destroy(h.probe);
	air_close(&h.air);
	close(h.announce);
	if (h.orchestrator >= 0)
		close(h.orchestrator);
	free(h.moves);
	return h.failed == 0 ? 0 : 1;
}
