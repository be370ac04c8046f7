/* Fills a data plane by hand, without an agent: one command a line on stdin, through struct
 * datapath_ops.  For the namespace trial (trial.sh) and for people.
 *
 *	bpf-driver PIN_DIRECTORY FE BACKPLANE REDIRECT
 *	port NUMBER DEVICE access|backplane|external [trunk]
 *	unport NUMBER
 *	local|tentative ADDRESS PORT VLAN MAC GATEWAY_MAC [FE]
 *	foreign ADDRESS FE
 *	unbind ADDRESS
 *	peer FE ADDRESS REDIRECT
 *	prefix covered|external|stranger|answer PREFIX [FE|MAC]
 *	show | stats NUMBER | idle ADDRESS | remove | quit
 */
#include "base/log.h"
#include "fe/io/datapath.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct driver {
	struct datapath_context context; /* first: see fe/io/datapath.h */
	const struct datapath_ops *ops;
	bool remove, quit;
	char *words[10];
	unsigned count;
};

static const char *word(const struct driver *d, unsigned i)
{
	return i < d->count ? d->words[i] : "";
}

static uint32_t number(const struct driver *d, unsigned i)
{
	return (uint32_t)strtoul(word(d, i), NULL, 0);
}

static struct address address(const struct driver *d, unsigned i)
{
	struct address a = {};

	if (address_parse(word(d, i), &a))
		fprintf(stderr, "no address: '%s'\n", word(d, i));
	return a;
}

static struct mac mac(const struct driver *d, unsigned i)
{
	struct mac m = {};

	if (mac_parse(word(d, i), &m))
		fprintf(stderr, "no MAC: '%s'\n", word(d, i));
	return m;
}

static int do_port(struct driver *d)
{
	static const char *const roles[] = {"", "access", "backplane", "external"};
	struct datapath_port p = {.number = number(d, 1),
				  .ifindex = if_nametoindex(word(d, 2)),
				  .trunk = !strcmp(word(d, 4), "trunk"),
				  .admitted = true,
				  .admitted6 = true,
				  .listen = DATAPATH_LISTEN_ARP | DATAPATH_LISTEN_RARP,
				  .mtu = 1500};

	for (uint8_t i = 1; i < ARRAY_SIZE(roles); i++)
		if (!strcmp(word(d, 3), roles[i]))
			p.role = i;
	return d->ops->port_set(d, &p);
}

static int do_binding(struct driver *d, uint8_t flags)
{
	struct datapath_binding b = {.address = address(d, 1), .flags = flags};

	if (flags == BINDING_FOREIGN) {
		b.fe = number(d, 2);
		return d->ops->binding_set(d, &b);
	}
	b.port = number(d, 2);
	b.vlan = (uint16_t)number(d, 3);
	b.mac = mac(d, 4);
	b.gateway_mac = mac(d, 5);
	b.fe = number(d, 6);
	if (b.fe)
		b.flags |= BINDING_FOREIGN;
	return d->ops->binding_set(d, &b);
}

static int do_prefix(struct driver *d)
{
	static const char *const kinds[] = {"covered", "external", "stranger", "answer"};
	struct datapath_prefix p = {.kind = 255};

	for (uint8_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(word(d, 1), kinds[i]))
			p.kind = i;
	if (prefix_parse(word(d, 2), &p.prefix))
		return -EINVAL;
	if (p.kind == DATAPATH_ANSWER)
		p.mac = mac(d, 3);
	else
		p.fe = number(d, 3);
	return d->ops->prefix_set(d, &p);
}

static void show_verdict(void *to, const struct drop_count *c)
{
	if (c->packets)
		printf("  %-20s %" PRIu64 "\n", c->name, c->packets);
}

static void show_counter(void *to, const struct counter *c)
{
	char text[ADDRESS_TEXT_SIZE];

	printf("  fe %u -> %s packets %" PRIu64 " bytes %" PRIu64 "\n", c->ingress_fe,
	       address_format(&c->address, text), c->packets, c->bytes);
}

static int do_show(struct driver *d)
{
	datapath_verdicts(d->context.datapath, show_verdict, NULL);
	d->ops->counters(d, show_counter, NULL);
	return 0;
}

static int do_stats(struct driver *d)
{
	struct ofp_port_stats s;
	int result = d->ops->port_stats(d, number(d, 1), &s);

	if (!result)
		printf("  rx %" PRIu64 " tx %" PRIu64 "\n", s.rx_packets, s.tx_packets);
	return result;
}

static int do_idle(struct driver *d)
{
	struct address a = address(d, 1);

	printf("  idle %" PRId64 " ms\n", d->ops->binding_idle_ms(d, 0, &a));
	return 0;
}

static int command(struct driver *d)
{
	const char *verb = word(d, 0);
	struct address a;

	if (!strcmp(verb, "port"))
		return do_port(d);
	if (!strcmp(verb, "unport"))
		return d->ops->port_remove(d, number(d, 1));
	if (!strcmp(verb, "local"))
		return do_binding(d, BINDING_LOCAL | BINDING_GUARD);
	if (!strcmp(verb, "tentative"))
		return do_binding(d, BINDING_LOCAL | BINDING_GUARD | BINDING_MARKED_ONLY);
	if (!strcmp(verb, "foreign"))
		return do_binding(d, BINDING_FOREIGN);
	if (!strcmp(verb, "unbind")) {
		a = address(d, 1);
		return d->ops->binding_remove(d, 0, &a);
	}
	if (!strcmp(verb, "peer"))
		return d->ops->peer_set(d, &(struct datapath_peer){.fe = number(d, 1),
								   .send = true,
								   .receive = true,
								   .address = address(d, 2),
								   .redirect = address(d, 3)});
	if (!strcmp(verb, "prefix"))
		return do_prefix(d);
	if (!strcmp(verb, "show"))
		return do_show(d);
	if (!strcmp(verb, "stats"))
		return do_stats(d);
	if (!strcmp(verb, "idle"))
		return do_idle(d);
	d->remove = !strcmp(verb, "remove");
	d->quit = d->remove || !strcmp(verb, "quit");
	return d->quit ? 0 : -EINVAL;
}

static void read_line(struct driver *d, char *line)
{
	char *rest = line;
	int result;

	d->count = 0;
	while (d->count < ARRAY_SIZE(d->words) &&
	       (d->words[d->count] = strtok_r(rest, " \t\n", &rest)))
		d->count++;
	if (!d->count || d->words[0][0] == '#')
		return;
	result = command(d);
	if (result)
		printf("%s: %s\n", word(d, 0), strerror(-result));
	else
		printf("ok\n");
}

static void on_upcall(void *to, const struct upcall *u)
{
	printf("upcall %s port %u vlan %u size %zu of %zu\n",
	       u->reason == UPCALL_NEIGHBOR ? "neighbor" : "stranger", u->port, u->vlan, u->size,
	       u->wire_size);
}

int main(int argc, char **argv)
{
	struct driver d = {.ops = datapath_operations()};
	struct datapath_config c = {};
	struct reason why = {};
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	log_start("bpf-driver", getenv("DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (argc < 5) {
		fprintf(stderr, "usage: bpf-driver PIN_DIRECTORY FE BACKPLANE REDIRECT\n");
		return 2;
	}
	c.pin_directory = argv[1];
	c.fe = (uint32_t)strtoul(argv[2], NULL, 0);
	if (address_parse(argv[3], &c.backplane.pair[FAMILY_IPV4].address) ||
	    address_parse(argv[4], &c.backplane.pair[FAMILY_IPV4].redirect) ||
	    datapath_open(&c, &d.context.datapath, &why)) {
		fprintf(stderr, "bpf-driver: %s\n", why.text);
		return 1;
	}
	datapath_set_upcall(d.context.datapath, on_upcall, &d);
	printf("%s\n", datapath_adopted(d.context.datapath) ? "adopted" : "fresh");
	while (!d.quit) {
		struct pollfd fds[] = {{0, POLLIN, 0},
				       {datapath_fd(d.context.datapath), POLLIN, 0}};

		poll(fds, 2, -1);
		if (fds[1].revents)
			datapath_poll_upcalls(d.context.datapath);
		if (fds[0].revents && !fgets(line, sizeof(line), stdin))
			break;
		if (fds[0].revents)
			read_line(&d, line);
	}
	datapath_close(d.context.datapath, d.remove);
	return 0;
}
