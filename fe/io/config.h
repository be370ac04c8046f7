/* victor-fe's configuration file (docs/configuration-fe.md), read and checked. */
#pragma once

#include "base/log.h"
#include "fe/agent.h"
#include "fe/io/datapath.h"
#include "fe/io/port_name.h"
#include "shell/endpoint.h"
#include "tls/context.h"

#include <stddef.h>

#define CONFIG_CONTROLLERS_MAX 8
#define CONFIG_LISTENERS_MAX 2
#define CONFIG_MATCHES_MAX 4096
#define CONFIG_DAEMONS_MAX 8
#define CONFIG_PATH_SIZE 108
#define CONFIG_STATE_SIZE 96 /* a socket's or a file's name is made from it */

struct config {
	char path[256];            /* as it is named in messages */
	struct agent_config agent; /* backplane_mtu is zero: the device says it */
	enum log_level log_level;
	int64_t patience_ms; /* announces so long without a controller; 0: for ever */
	unsigned awake_us;   /* fe/awake.h; 0: it sleeps at once */
	bool insecure;       /* TCP other than loopback, without TLS */
	bool has_tls;
	struct tls_files tls; /* what we show to a "tls:" controller, and which we believe */
	struct endpoint controllers[CONFIG_CONTROLLERS_MAX];
	struct endpoint listeners[CONFIG_LISTENERS_MAX]; /* for inspection */
	unsigned controller_count, listener_count;
	char state[CONFIG_STATE_SIZE];                      /* a bpffs is mounted here */
	char daemons[CONFIG_DAEMONS_MAX][CONFIG_PATH_SIZE]; /* the routing daemons' pid files */
	unsigned daemon_count;
	char backplane_device[OFP_PORT_NAME_SIZE]; /* empty: there is none */
	unsigned backplane_line;
	enum datapath_xdp xdp;
	struct datapath_guard guard; /* its 'shield' is the next; with controllers' addresses */
	struct prefix *shield;
	struct port_match *matches; /* the backplane first */
	unsigned match_count;
};

/* 0 and '*ret' set (config_finish frees what it holds), or a negative errno with one line that
 * names file, line, what is wrong and what would be right; '*ret' is empty then. */
MUST_USE int config_load(const char *path, struct config *ret, struct reason *why);
MUST_USE int config_parse(const char *path, const char *text, size_t size, struct config *ret,
			  struct reason *why);
void config_finish(struct config *c);
