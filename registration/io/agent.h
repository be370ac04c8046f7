/* The shell around include/victor/register.h: one socket, one interface, the clock. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/reason.h"
#include "include/victor/register.h"
#include "registration/io/host.h"

#include <stdbool.h>
#include <stdint.h>

struct agent_config {
	const char *identity, *grant; /* texts; grant NULL: none */
	const char *device;           /* NULL: the default route's */
	bool has_gateway;             /* else the default route's */
	struct address gateway;
	bool has_mac; /* else the interface's: a hypervisor speaks for a guest */
	struct mac mac;
	unsigned address_count; /* 0: all of the inventory */
	struct address addresses[VICTOR_REGISTER_ADDRESSES_MAX];
	uint32_t lifetime_s;
	bool ask_only;
	bool takes_any_port; /* else VICTOR_REGISTER_PORT, where unsolicited messages come */
	bool is_quiet;       /* does not log what happens */
};

struct agent {
	struct agent_config config;
	struct victor_register *r;
	struct host host;
	struct host_view view;
	int udp_fd;        /* -1: not now */
	bool is_ipv4_only; /* the socket: the kernel has no IPv6 */
	unsigned bound_to; /* the interface's index */
	unsigned gateway;  /* which of the view's */
	int64_t told_ms;
	uint64_t logged; /* revision of the status */
	bool was_registered;
	enum victor_register_state last_state; /* when something was logged */
	struct reason trouble;                 /* with the interface or the socket; "" */
	struct reason last_logged;             /* trouble */
};

int64_t agent_now_ms(void);
MUST_USE int agent_open(struct agent *a, const struct agent_config *config, struct reason *why);
void agent_close(struct agent *a);
/* Sends what is due, waits for at most until 'until_ms' or a signal of 'signal_fd' (-1: none), and
 * takes what comes, once.  Returns whether the signal's descriptor is readable. */
bool agent_step(struct agent *a, int signal_fd, int64_t until_ms);
/* Why nothing has been achieved, for a person. */
void agent_explain(const struct agent *a, struct reason *ret);
