/* One loop over a UDP socket and the kernel's news.  The socket is bound to the interface, so that
 * neither questions nor answers go by another, and is of both families: an IPv4 gateway is one of
 * ::ffff:0:0/96.  It is not connected: whoever answers must have signed. */
#include "registration/io/agent.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

LOG_MODULE("register");

#define GATEWAY_TRIES 3    /* unanswered; then the other family's, if there is one */
#define RECEIVE_MOST 64    /* datagrams before something is sent again */
#define LOOK_AGAIN_MS 2000 /* where the interface or its route is not there */

int64_t agent_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t); /* goes on while the machine sleeps: lifetimes do too */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int agent_open(struct agent *a, const struct agent_config *config, struct reason *why)
{
	struct victor_register_config c = {.identity = config->identity,
					   .grant = config->grant,
					   .lifetime_s = config->lifetime_s,
					   .ask_only = config->ask_only,
					   .wall_us = wall_us()};

	*a = (struct agent){.config = *config, .udp_fd = -1, .host = {-1, -1, 0}};
	a->config.identity = a->config.grant = NULL; /* the caller's: not kept */
	a->r = victor_register_create(&c, why->text, sizeof(why->text));
	if (!a->r)
		return -EINVAL;
	if (host_open(&a->host, why) < 0) {
		agent_close(a);
		return -EIO;
	}
	a->told_ms = INT64_MIN;
	return 0;
}

static void close_socket(struct agent *a)
{
	if (a->udp_fd >= 0)
		close(a->udp_fd);
	a->udp_fd = -1;
	a->bound_to = 0;
}

void agent_close(struct agent *a)
{
	close_socket(a);
	host_close(&a->host);
	victor_register_destroy(a->r);
	a->r = NULL;
}

static void set_options(int fd, bool is_ipv4_only)
{
	const int yes = 1, no = 0, hops = 255;

	if (!is_ipv4_only) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes, sizeof(yes));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
	}
	(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
}

static int bind_port(int fd, bool is_ipv4_only, uint16_t port)
{
	struct sockaddr_in six_less = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const void *address = is_ipv4_only ? (const void *)&six_less : (const void *)&six;

	return bind(fd, address, is_ipv4_only ? sizeof(six_less) : sizeof(six));
}

static void open_socket(struct agent *a)
{
	const int type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	const char *device = a->view.device;

	if (a->udp_fd >= 0 && a->bound_to == a->view.index)
		return;
	close_socket(a);
	a->is_ipv4_only = false;
	a->udp_fd = socket(AF_INET6, type, 0);
	if (a->udp_fd < 0 && errno == EAFNOSUPPORT) {
		a->is_ipv4_only = true;
		a->udp_fd = socket(AF_INET, type, 0);
	}
	if (a->udp_fd < 0) {
		reason_set(&a->trouble, 0, "there is no UDP socket: %s", strerror(errno));
		return;
	}
	set_options(a->udp_fd, a->is_ipv4_only);
	if (setsockopt(a->udp_fd, SOL_SOCKET, SO_BINDTODEVICE, device,
		       (socklen_t)strlen(device) + 1) < 0) {
		reason_set(&a->trouble, 0, "the socket cannot be bound to %s: %s", device,
			   strerror(errno));
		close_socket(a);
	} else if (bind_port(a->udp_fd, a->is_ipv4_only,
			     a->config.takes_any_port ? 0 : VICTOR_REGISTER_PORT) < 0) {
		reason_set(&a->trouble, 0, "UDP port %u of %s: %s%s", VICTOR_REGISTER_PORT, device,
			   strerror(errno),
			   errno == EADDRINUSE ? " (is another victor-register running?)" : "");
		close_socket(a);
	} else {
		a->bound_to = a->view.index;
		a->trouble.text[0] = 0;
	}
}

static void tell_link(struct agent *a, int64_t now_ms)
{
	struct victor_register_link link = {.is_up = a->view.is_up && a->udp_fd >= 0 &&
						     a->view.gateway_count,
					    .address_count = a->config.address_count};

	memcpy(link.mac, a->config.has_mac ? a->config.mac.bytes : a->view.mac.bytes, 6);
	for (unsigned i = 0; i < a->config.address_count; i++)
		memcpy(link.addresses[i], a->config.addresses[i].bytes, 16);
	victor_register_link(a->r, &link, now_ms);
}

static void judge_view(struct agent *a)
{
	const struct host_view *v = &a->view;

	if (!v->is_up)
		reason_set(&a->trouble, 0, "%s is down, or has no carrier", v->device);
	else if (!v->gateway_count)
		reason_set(&a->trouble, 0, "%s has no default route: name the gateway by --gateway",
			   v->device);
	else if (mac_is_zero(&v->mac) && !a->config.has_mac)
		reason_set(&a->trouble, 0, "%s has no MAC: name the node's by --mac", v->device);
	else
		a->trouble.text[0] = 0;
}

/* What the interface is now; a change makes the node ask at once. */
static void look(struct agent *a, int64_t now_ms)
{
	struct host_view view;
	bool is_changed;

	a->told_ms = now_ms;
	if (host_look(&a->host, a->config.device, &view, &a->trouble) < 0) {
		view = (struct host_view){0};
	} else if (a->config.has_gateway) {
		view.gateways[0] = a->config.gateway;
		view.gateway_count = 1;
	}
	is_changed = !host_view_equal(&view, &a->view);
	a->view = view;
	if (is_changed)
		a->gateway = 0;
	if (view.index) {
		judge_view(a);
		if (!a->trouble.text[0])
			open_socket(a);
	} else {
		close_socket(a);
	}
	tell_link(a, now_ms);
	if (is_changed)
		victor_register_again(a->r, now_ms);
}

static const struct address *current_gateway(struct agent *a)
{
	unsigned turns = victor_register_status(a->r)->unanswered / GATEWAY_TRIES;

	/* No answer from one family's: take turns. */
	a->gateway = a->view.gateway_count ? turns % a->view.gateway_count : 0;
	return &a->view.gateways[a->gateway];
}

static void send_one(struct agent *a, const uint8_t *bytes, size_t size)
{
	const struct address *gateway = current_gateway(a);
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(VICTOR_REGISTER_PORT)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
				   .sin6_port = htons(VICTOR_REGISTER_PORT)};
	const void *to = a->is_ipv4_only ? (const void *)&four : (const void *)&six;
	char text[ADDRESS_TEXT_SIZE];

	if (a->is_ipv4_only && !address_is_ipv4(gateway))
		return;
	memcpy(&six.sin6_addr, gateway->bytes, 16);
	if (gateway->bytes[0] == 0xfe)
		six.sin6_scope_id = a->view.index;
	memcpy(&four.sin_addr, address_ipv4(gateway), 4);
	if (sendto(a->udp_fd, bytes, size, MSG_NOSIGNAL, to,
		   a->is_ipv4_only ? sizeof(four) : sizeof(six)) < 0)
		reason_set(&a->trouble, 0, "nothing can be sent to the gateway %s by %s: %s",
			   address_format(gateway, text), a->view.device, strerror(errno));
}

static void receive_all(struct agent *a, int64_t now_ms)
{
	uint8_t bytes[VICTOR_REGISTER_SIZE_MAX + 1];
	char text[ADDRESS_TEXT_SIZE], control[512];
	struct msghdr errors = {.msg_control = control, .msg_controllen = sizeof(control)};

	for (unsigned i = 0; i < RECEIVE_MOST; i++) {
		ssize_t size = recv(a->udp_fd, bytes, sizeof(bytes), 0);

		if (size >= 0) {
			victor_register_receive(a->r, bytes, (size_t)size, now_ms);
			if (!victor_register_status(a->r)->unanswered)
				a->trouble.text[0] = 0;
			continue;
		}
		if (errno == EAGAIN || errno == EINTR)
			return;
		reason_set(&a->trouble, 0,
			   "the gateway %s does not take it (%s): is it a "
			   "forwarding element of VICTOR?",
			   address_format(&a->view.gateways[a->gateway], text), strerror(errno));
		errors.msg_controllen = sizeof(control);
		(void)recvmsg(a->udp_fd, &errors, MSG_ERRQUEUE);
	}
}

static void place_text(const struct victor_register_status *s, char *text, size_t size)
{
	char vlan[24] = "";

	if (s->vlan)
		snprintf(vlan, sizeof(vlan), ", VLAN %u", s->vlan);
	if (s->element_name[0])
		snprintf(text, size, "%s, port %u%s", s->element_name, s->port, vlan);
	else
		snprintf(text, size, "element %llu, port %u%s", (unsigned long long)s->element,
			 s->port, vlan);
}

/* A line for what a person wants to know, not for each state. */
static void log_news(struct agent *a)
{
	const struct victor_register_status *s = victor_register_status(a->r);
	bool was_renewed = a->last_state == VICTOR_REGISTER_RENEWING;
	char place[160];

	if (a->config.is_quiet)
		return;
	if (strcmp(a->trouble.text, a->last_logged.text) != 0) {
		if (a->trouble.text[0])
			log_warn("%s", a->trouble.text);
		a->last_logged = a->trouble;
	}
	if (s->revision == a->logged)
		return;
	a->logged = s->revision;
	a->last_state = s->state;
	place_text(s, place, sizeof(place));
	if (s->state == VICTOR_REGISTER_REGISTERED && was_renewed)
		log_debug("renewed at %s for %u s", place, s->lifetime_s);
	else if (s->state == VICTOR_REGISTER_REGISTERED)
		log_info("registered at %s for %u s", place, s->lifetime_s);
	else if (s->state == VICTOR_REGISTER_REFUSED)
		log_warn("refused at %s: %s", place, s->text);
	else if (a->was_registered && !s->is_registered)
		log_warn("no longer registered%s", s->unanswered ? ": nobody answers" : "");
	if (s->hint[0])
		log_warn("somebody says, unsigned: %s", s->hint);
	a->was_registered = s->is_registered;
}

static int timeout_ms(const struct agent *a, int64_t now_ms, int64_t until_ms)
{
	int64_t due = victor_register_due(a->r);

	if (due > until_ms)
		due = until_ms;
	if (a->trouble.text[0] && a->udp_fd < 0 && due > a->told_ms + LOOK_AGAIN_MS)
		due = a->told_ms + LOOK_AGAIN_MS;
	if (due - now_ms > INT32_MAX)
		return INT32_MAX;
	return due > now_ms ? (int)(due - now_ms) : 0;
}

static void send_due(struct agent *a, int64_t now_ms)
{
	uint8_t bytes[VICTOR_REGISTER_SIZE_MAX];
	size_t size;

	while ((size = victor_register_send(a->r, now_ms, bytes)) > 0)
		if (a->udp_fd >= 0)
			send_one(a, bytes, size);
}

bool agent_step(struct agent *a, int signal_fd, int64_t until_ms)
{
	struct pollfd fds[3];
	int64_t now_ms = agent_now_ms();

	if (a->told_ms == INT64_MIN || (a->udp_fd < 0 && now_ms >= a->told_ms + LOOK_AGAIN_MS))
		look(a, now_ms);
	send_due(a, now_ms);
	log_news(a);
	fds[0] = (struct pollfd){.fd = a->udp_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = a->host.event_fd, .events = POLLIN};
	fds[2] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
	if (poll(fds, 3, timeout_ms(a, now_ms, until_ms)) <= 0)
		return false;
	now_ms = agent_now_ms();
	if (fds[0].revents)
		receive_all(a, now_ms);
	if (fds[1].revents && host_changed(&a->host, a->view.index))
		look(a, now_ms);
	log_news(a);
	return fds[2].revents;
}

void agent_explain(const struct agent *a, struct reason *ret)
{
	const struct victor_register_status *s = victor_register_status(a->r);
	char text[ADDRESS_TEXT_SIZE];

	if (s->state == VICTOR_REGISTER_REFUSED)
		reason_set(ret, 0, "refused: %s", s->text);
	else if (s->hint[0])
		reason_set(ret, 0, "no answer that is signed well; somebody says, unsigned: %s",
			   s->hint);
	else if (a->trouble.text[0])
		*ret = a->trouble;
	else if (s->ignored && !s->taken)
		reason_set(ret, 0,
			   "answers come, but not signed with the key that 'controller' (or "
			   "'key') in the key file says");
	else
		reason_set(ret, 0,
			   "no answer from %s: is it a forwarding element of VICTOR, and its "
			   "controller there?",
			   a->view.gateway_count
				   ? address_format(&a->view.gateways[a->gateway], text)
				   : "a gateway");
}
