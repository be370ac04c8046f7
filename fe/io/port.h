/* The interfaces of this machine (or namespace) that are ports by the config: found by rtnetlink,
 * followed as they appear, change and vanish, and told to the agent. */
#pragma once

#include "fe/io/config.h"

struct ports;

/* Reads all interfaces, and starts to listen for changes.  The config is borrowed. */
MUST_USE int ports_open(const struct config *config, struct ports **ret, struct reason *why);
/* Accepts NULL. */
void ports_close(struct ports *p);

/* -ENODEV, -EADDRNOTAVAIL ... with a reason where the backplane's device is not there, is no
 * Ethernet, or has not the addresses; else 0, and its MTU (0 without a backplane). */
MUST_USE int ports_check_backplane(struct ports *p, uint16_t *ret_mtu, struct reason *why);

/* Tells the agent every port; from now on ports_read tells it changes. */
void ports_start(struct ports *p, struct agent *agent, int64_t now_ms);
int ports_fd(const struct ports *p);
/* To be called when the fd can be read. */
void ports_read(struct ports *p, int64_t now_ms);
/* Whether a port of that role is there and up. */
bool ports_are_up(const struct ports *p, enum port_role role);
/* Whether there is a port of that role, up or down. */
bool ports_have(const struct ports *p, enum port_role role);
/* Whether that interface is an external port. */
bool ports_are_external(const struct ports *p, uint32_t ifindex);
/* Tells whether anything should leave by the external ports. */
void ports_block_external(struct ports *p, bool blocked, int64_t now_ms);
