/* One link of the configuration file, understood: what the inventory then checks as a whole. */
#include "controller/io/config_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COST_DEFAULT 10
#define INTERVAL_MS_DEFAULT 50
#define MULTIPLIER_DEFAULT 3

static int refuse_text(struct reason *why, const char *what, const char *text, const char *right)
{
	return reason_set(why, -EINVAL, "%s '%.60s': %s", what, text, right);
}

/* A number without sign, spaces or anything behind it; false: it is none, or above 'most'. */
static bool read_number(const char *text, unsigned long most, uint32_t *ret)
{
	char *end;

	errno = 0;
	if (text[0] < '0' || text[0] > '9')
		return false;
	unsigned long number = strtoul(text, &end, 10);

	if (errno || *end || number > most)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static int read_cost(const struct yaml_link *y, struct link *ret, struct reason *why)
{
	ret->cost = COST_DEFAULT;
	ret->by_delay = y->cost && strcmp(y->cost, "delay") == 0;
	if (y->cost && !ret->by_delay && !read_number(y->cost, UINT32_MAX, &ret->cost))
		return refuse_text(why, "cost", y->cost, "write a number, or delay");
	if (ret->by_delay && !y->kind)
		return reason_set(why, -EINVAL,
				  "cost 'delay': only links with a 'kind' are "
				  "measured");
	return 0;
}

static int read_kind(const struct yaml_link *y, struct link *ret, struct reason *why)
{
	for (uint8_t kind = LINK_ETHERNET; y->kind && kind <= LINK_UDP; kind++)
		if (strcmp(y->kind, link_kind_name(kind)) == 0)
			ret->kind = kind;
	if (y->kind && !ret->kind)
		return refuse_text(why, "kind", y->kind, "write ip, udp, ethernet, mpls or raw");
	if (!y->kind &&
	    (y->ports_count || y->labels_count || y->labels_in_count || y->udp_count || y->bfd))
		return reason_set(why, -EINVAL, "ports, labels, udp and bfd need a 'kind'");
	return 0;
}

static int read_ports(const struct yaml_link *y, struct link *ret, struct reason *why)
{
	if (y->ports_count == 1)
		return reason_set(why, -EINVAL, "ports: write two, in the order of 'between'");
	for (unsigned i = 0; i < y->ports_count; i++) {
		if (strlen(y->ports[i]) >= OFP_PORT_NAME_SIZE)
			return refuse_text(why, "port", y->ports[i], "the name is too long");
		strcpy(ret->ports[i], y->ports[i]);
	}
	return 0;
}

/* "100" or "100/200": the outermost first. */
static int read_stack(const char *text, uint32_t labels[LINK_LABELS_MAX], uint8_t *ret_count,
		      struct reason *why)
{
	char copy[64], *at = copy, *word;

	if (strlen(text) >= sizeof(copy))
		return refuse_text(why, "labels", text, "too long");
	strcpy(copy, text);
	while ((word = strsep(&at, "/"))) {
		if (*ret_count == LINK_LABELS_MAX ||
		    !read_number(word, 0xfffff, &labels[*ret_count]))
			return refuse_text(why, "labels", text,
					   "write 1 to 4 numbers up to 1048575, as in 100/200");
		(*ret_count)++;
	}
	return 0;
}

static int read_labels(const struct yaml_link *y, struct link *ret, struct reason *why)
{
	int r = 0;

	if (y->labels_count == 1 || y->labels_in_count == 1)
		return reason_set(why, -EINVAL, "labels: write two, in the order of 'between'");
	for (unsigned i = 0; i < y->labels_count && r == 0; i++)
		r = read_stack(y->labels[i], ret->labels[i], &ret->label_count[i], why);
	for (unsigned i = 0; i < y->labels_in_count && r == 0; i++) {
		ret->labels_in[i] = y->labels_in[i];
		if (y->labels_in[i] > 0xfffff)
			r = reason_set(why, -EINVAL, "labels_in %u: at most 1048575",
				       y->labels_in[i]);
	}
	return r;
}

static int read_bfd(const struct yaml_bfd *y, struct link *ret, struct reason *why)
{
	uint32_t interval = y && y->interval_ms ? *y->interval_ms : INTERVAL_MS_DEFAULT;
	uint32_t multiplier = y && y->multiplier ? *y->multiplier : MULTIPLIER_DEFAULT;

	if (!ret->kind || (y && y->enabled && !*y->enabled))
		return 0;
	if (interval < 5 || interval > 60000)
		return reason_set(why, -EINVAL, "bfd: interval_ms must be 5 to 60000");
	if (multiplier < 1 || multiplier > 255)
		return reason_set(why, -EINVAL, "bfd: multiplier must be 1 to 255");
	ret->interval_ms = (uint16_t)interval;
	ret->multiplier = (uint8_t)multiplier;
	return 0;
}

static int read_udp(const struct yaml_link *y, struct link *ret, struct reason *why)
{
	for (unsigned i = 0; i < 2 && ret->kind == LINK_UDP; i++)
		ret->reach_port[i] = LINK_UDP_PORT;
	if (y->udp_count && ret->kind != LINK_UDP)
		return reason_set(why, -EINVAL, "only udp links have 'udp'");
	if (y->udp_count == 1)
		return reason_set(why, -EINVAL, "udp: write two, in the order of 'between'");
	for (unsigned i = 0; i < y->udp_count; i++) {
		const struct yaml_udp *u = &y->udp[i];

		if (u->address && address_parse(u->address, &ret->reach[i]) < 0)
			return refuse_text(why, "udp address", u->address, "it is no address");
		if (u->port && *u->port > UINT16_MAX)
			return reason_set(why, -EINVAL, "udp port %u: at most 65535", *u->port);
		if (u->port)
			ret->reach_port[i] = (uint16_t)*u->port;
	}
	return 0;
}

int config_link_read(const struct yaml_link *y, struct link *ret, struct reason *why)
{
	int r = read_cost(y, ret, why);

	if (r == 0)
		r = read_kind(y, ret, why);
	if (r == 0)
		r = read_ports(y, ret, why);
	if (r == 0)
		r = read_labels(y, ret, why);
	if (r == 0)
		r = read_bfd(y->bfd, ret, why);
	if (r == 0)
		r = read_udp(y, ret, why);
	ret->bandwidth_mbps = y->bandwidth;
	return r;
}
