/* Turns what config_yaml.c describes into what the agent and the shell take, with a line number in
 * each refusal.  Whether the interfaces are there is port.c's to find out. */
#include "fe/io/config.h"

#include "base/memory.h"
#include "fe/io/config_reading.h"
#include "shell/config_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BINDING_LIMIT 65536
#define BINDING_LIMIT_MAX 16777216
#define TIMER_MIN_MS 50
#define TIMER_MAX_MS 86400000
#define AWAKE_US 500
#define AWAKE_MAX_US 10000
#define HOLD_MS 1000
#define HOLD_MAX_MS 10000
#define PATIENCE_S 300
#define PATIENCE_MAX_S 31536000

int config_refuse(const struct reading *r, struct place at, const char *format, ...)
{
	char text[REASON_SIZE / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return reason_set(r->why, -EINVAL, "%s:%u: %s", r->config->path,
			  config_lines_find(r->lines, at.key, at.index, at.inner), text);
}

/* The name is part of file names and of log lines. */
static int read_name(const struct reading *r)
{
	const char *name = r->yaml->name;
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	if (name[strspn(name, allowed)] || name[0] == '.')
		return config_refuse(
			r, AT("name"),
			"name '%s': only letters, digits, '-', '_' and '.' (not first)", name);
	if (strlen(name) >= ELEMENT_NAME_SIZE)
		return config_refuse(r, AT("name"), "name '%.20s...' is longer than %d characters",
				     name, ELEMENT_NAME_SIZE - 1);
	strcpy(r->config->agent.name, name);
	return 0;
}

static int read_timer(const struct reading *r, const char *name, const uint32_t *number,
		      unsigned standard, unsigned *ret)
{
	*ret = number ? *number : standard;
	if (*ret < TIMER_MIN_MS || *ret > TIMER_MAX_MS)
		return config_refuse(r, (struct place){"timers", -1, name},
				     "%s: %u: from %d to %d milliseconds", name, *ret, TIMER_MIN_MS,
				     TIMER_MAX_MS);
	return 0;
}

static int read_agent(const struct reading *r)
{
	const struct yaml_config *y = r->yaml;
	struct agent_config *agent = &r->config->agent;
	int result = read_name(r);

	if (result < 0)
		return result;
	if (!y->id || y->id > PIPELINE_FE_MAX)
		return config_refuse(r, AT("id"), "id %u: from 1 to %u, another for each element",
				     y->id, PIPELINE_FE_MAX);
	agent->id = y->id;
	agent->binding_limit = y->binding_limit ? *y->binding_limit : BINDING_LIMIT;
	if (!agent->binding_limit || agent->binding_limit > BINDING_LIMIT_MAX)
		return config_refuse(r, AT("binding_limit"), "binding_limit %u: from 1 to %d",
				     agent->binding_limit, BINDING_LIMIT_MAX);
	result = read_timer(r, "idle_probe_ms", y->timers.idle_probe_ms, 30000,
			    &agent->idle_probe_ms);
	if (result == 0)
		result = read_timer(r, "idle_give_up_ms", y->timers.idle_give_up_ms, 3000,
				    &agent->idle_give_up_ms);
	if (result == 0)
		result = read_timer(r, "tentative_ms", y->timers.tentative_ms, 10000,
				    &agent->tentative_ms);
	agent->hold_ms = y->timers.hold_ms ? *y->timers.hold_ms : HOLD_MS;
	if (result == 0 && agent->hold_ms > HOLD_MAX_MS)
		result = config_refuse(r, (struct place){"timers", -1, "hold_ms"},
				       "hold_ms: %u: at most %d milliseconds; 0 is never",
				       agent->hold_ms, HOLD_MAX_MS);
	return result;
}

static int read_xdp(const struct reading *r)
{
	static const char *const names[] = {
		[DATAPATH_XDP_OFF] = "off", [DATAPATH_XDP_AUTO] = "auto", [DATAPATH_XDP_ON] = "on"};
	const char *said = r->yaml->xdp;

	if (!said)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(said, names[i]) == 0) {
			r->config->xdp = (enum datapath_xdp)i;
			return 0;
		}
	return config_refuse(r, AT("xdp"), "xdp '%s': write off, auto or on", said);
}

static int read_awake(const struct reading *r)
{
	const uint32_t *most = r->yaml->awake_us;

	r->config->awake_us = most ? *most : AWAKE_US;
	if (r->config->awake_us > AWAKE_MAX_US)
		return config_refuse(r, AT("awake_us"), "awake_us %u: at most %d; 0 is never",
				     r->config->awake_us, AWAKE_MAX_US);
	return 0;
}

static int read_announce(const struct reading *r)
{
	const uint32_t *patience = r->yaml->announce.patience_s;
	uint32_t seconds = patience ? *patience : PATIENCE_S;

	if (seconds > PATIENCE_MAX_S)
		return config_refuse(r, (struct place){"announce", -1, "patience_s"},
				     "patience_s %u: at most %d; 0 is for ever", seconds,
				     PATIENCE_MAX_S);
	r->config->patience_ms = (int64_t)seconds * 1000;
	return 0;
}

static int read_state(const struct reading *r)
{
	struct config *c = r->config;
	char *standard = memory_format("/run/victor/%s", r->yaml->name);
	const char *state = r->yaml->state ? r->yaml->state : standard;
	size_t size = strlen(state);
	int result = 0;

	if (state[0] != '/' || size < 2 || state[size - 1] == '/')
		result = config_refuse(
			r, AT("state"),
			"state '%s': write the absolute path of a directory, without '/' at "
			"its end",
			state);
	else if (strncmp(state, "/sys/", 5) == 0)
		result = config_refuse(
			r, AT("state"),
			"state '%s': a bpffs is mounted here, so it cannot be under /sys; "
			"/run/victor/NAME is a good place",
			state);
	else if (size >= sizeof(c->state))
		result = config_refuse(r, AT("state"),
				       "state '%.32s...' is longer than %zu characters", state,
				       sizeof(c->state) - 1);
	else
		strcpy(c->state, state);
	free(standard);
	return result;
}

static int read_endpoint(const struct reading *r, struct place at, const char *text,
			 struct endpoint *ret)
{
	struct reason detail;

	if (endpoint_parse(text, ret, &detail) < 0)
		return config_refuse(r, at, "%s", detail.text);
	if (ret->is_tls && strcmp(at.key, "controllers") != 0)
		return config_refuse(r, at, "%s: only controllers are spoken to by TLS", text);
	if (ret->is_tls && !r->yaml->tls)
		return config_refuse(
			r, at,
			"%s needs 'tls: { certificate: ..., key: ..., ca: ... }'; 'victorctl pki "
			"issue fe %s %u' makes these files",
			text, r->yaml->name, r->yaml->id);
	if (!ret->is_private && !ret->is_tls && !r->yaml->insecure)
		return config_refuse(r, at,
				     "%s is neither TLS, nor loopback, nor a UNIX socket: write "
				     "'tls:%.64s'; only in a network that you trust set 'insecure: "
				     "true'",
				     text, text + 4);
	return 0;
}

static int read_tls(const struct reading *r)
{
	const struct yaml_tls *y = r->yaml->tls;
	struct config *c = r->config;
	struct reason detail;

	if (!y)
		return 0;
	c->has_tls = true;
	if (tls_files_set(&c->tls, y->certificate, y->key, y->ca, y->crl, &detail) < 0)
		return config_refuse(r, AT("tls"), "%s", detail.text);
	return 0;
}

static int read_endpoints(const struct reading *r)
{
	const struct yaml_config *y = r->yaml;
	struct config *c = r->config;
	int result = 0;

	for (; c->controller_count < y->controllers_count && result == 0; c->controller_count++)
		result = read_endpoint(
			r, (struct place){"controllers", (int)c->controller_count, NULL},
			y->controllers[c->controller_count], &c->controllers[c->controller_count]);
	if (result == 0 && y->inspect)
		result = read_endpoint(r, AT("inspect"), y->inspect,
				       &c->listeners[c->listener_count++]);
	if (result == 0 && y->listen)
		result = read_endpoint(r, AT("listen"), y->listen,
				       &c->listeners[c->listener_count++]);
	return result;
}

/* The pid files of the daemons that give us the way out. */
static int read_daemons(const struct reading *r)
{
	const struct yaml_config *y = r->yaml;
	struct config *c = r->config;

	for (; c->daemon_count < y->routing_daemons_count; c->daemon_count++) {
		const char *path = y->routing_daemons[c->daemon_count];

		if (path[0] != '/' || strlen(path) >= CONFIG_PATH_SIZE)
			return config_refuse(
				r, (struct place){"routing_daemons", (int)c->daemon_count, NULL},
				"'%.40s': the absolute path of a pid file, of at most %d "
				"characters",
				path, CONFIG_PATH_SIZE - 1);
		strcpy(c->daemons[c->daemon_count], path);
	}
	return 0;
}

static int read_settings(const struct reading *r)
{
	const char *log = r->yaml->log ? r->yaml->log : "info";
	int result;

	r->config->insecure = r->yaml->insecure;
	if (log_level_parse(log, &r->config->log_level) < 0)
		return config_refuse(r, AT("log"), "log '%s': write error, warn, info or debug",
				     log);
	result = read_tls(r);
	if (result == 0)
		result = read_announce(r);
	if (result == 0)
		result = read_state(r);
	if (result == 0)
		result = read_daemons(r);
	return result < 0 ? result : read_endpoints(r);
}

/* ---- ports ---- */

static int check_number(const struct reading *r, const struct port_match *m, struct place at)
{
	const struct config *c = r->config;

	if (!m->info.number)
		return 0;
	at.inner = "number";
	if (m->info.number > PORT_NUMBER_BACKPLANE)
		return config_refuse(r, at, "number %u: from 1 to %u", m->info.number,
				     PORT_NUMBER_BACKPLANE);
	if (!port_pattern_is_name(m->pattern))
		return config_refuse(
			r, at,
			"number %u: the pattern '%s' may be many interfaces; give a number to a "
			"name",
			m->info.number, m->pattern);
	for (unsigned i = 0; i < c->match_count; i++) {
		if (c->matches[i].info.number == m->info.number)
			return config_refuse(r, at, "number %u is that of '%s' in line %u already",
					     m->info.number, c->matches[i].pattern,
					     c->matches[i].line);
	}
	return 0;
}

static int check_pattern(const struct reading *r, const char *pattern, struct place at)
{
	const struct config *c = r->config;

	if (strlen(pattern) >= PORT_PATTERN_SIZE)
		return config_refuse(r, at, "'%.20s...' is longer than %d characters", pattern,
				     PORT_PATTERN_SIZE - 1);
	if (port_pattern_is_name(pattern) &&
	    (strlen(pattern) >= OFP_PORT_NAME_SIZE || strpbrk(pattern, "/: \t")))
		return config_refuse(r, at, "'%s' is no name that an interface can have", pattern);
	for (unsigned i = 0; i < c->match_count; i++) {
		if (strcmp(c->matches[i].pattern, pattern) == 0)
			return config_refuse(r, at, "'%s' is in line %u already", pattern,
					     c->matches[i].line);
	}
	return 0;
}

static int add_match(const struct reading *r, struct place at, const struct yaml_port *y,
		     enum port_role role)
{
	struct config *c = r->config;
	struct port_match m = {.info = {.number = y->number,
					.role = (uint8_t)role,
					.trunk = y->trunk,
					.segment = y->segment}};
	int result;

	at.inner = role == PORT_BACKPLANE && !y->kind ? "device" : "match";
	result = check_pattern(r, y->match, at);
	if (result < 0)
		return result;
	strcpy(m.pattern, y->match);
	m.line = config_lines_find(r->lines, at.key, at.index, at.inner);
	result = check_number(r, &m, at);
	if (result < 0)
		return result;
	at.inner = "identity";
	if (y->identity && strlen(y->identity) >= PORT_IDENTITY_SIZE)
		return config_refuse(r, at, "identity '%.20s...' is longer than %d characters",
				     y->identity, PORT_IDENTITY_SIZE - 1);
	if (y->identity && !port_pattern_is_name(m.pattern))
		return config_refuse(r, at,
				     "identity '%.20s': the pattern '%s' may be many interfaces",
				     y->identity, m.pattern);
	if (y->identity)
		strcpy(m.info.identity, y->identity);
	c->matches[c->match_count++] = m;
	return 0;
}

static int read_backplane(const struct reading *r)
{
	const struct yaml_backplane *y = r->yaml->backplane;
	struct config *c = r->config;

	if (!y)
		return 0;
	struct yaml_port port = {.match = y->device,
				 .number = y->number ? y->number : PORT_NUMBER_BACKPLANE};
	const struct place at = {"backplane", -1, NULL};
	int result = 0;

	if (y->device && !port_pattern_is_name(y->device))
		return config_refuse(r, (struct place){"backplane", -1, "device"},
				     "device '%s': the backplane is one interface, not a pattern",
				     y->device);
	if (y->device)
		result = add_match(r, at, &port, PORT_BACKPLANE);
	if (result == 0)
		result = config_read_underlay(r);
	if (result < 0)
		return result;
	if (y->device)
		strcpy(c->backplane_device, y->device);
	c->backplane_line =
		config_lines_find(r->lines, "backplane", -1, y->device ? "device" : "address");
	return 0;
}

/* Provisioned backplane devices. */
static int read_link(const struct reading *r, unsigned index)
{
	static const char *const kinds[] = {
		[LINK_ETHERNET] = "ethernet", [LINK_MPLS] = "mpls", [LINK_RAW] = "raw"};
	const struct yaml_port *y = &r->yaml->links[index];
	const struct place at = {"links", (int)index, "kind"};
	struct config *c = r->config;
	unsigned kind = LINK_ETHERNET;
	int result;

	while (kind <= LINK_RAW && strcmp(y->kind, kinds[kind]) != 0)
		kind++;
	if (kind > LINK_RAW)
		return config_refuse(r, at, "kind '%s': ethernet, mpls or raw", y->kind);
	if (address_is_zero(&c->agent.backplane.pair[FAMILY_IPV4].address) &&
	    address_is_zero(&c->agent.backplane.pair[FAMILY_IPV6].address))
		return config_refuse(r, at,
				     "a link needs the element's backplane addresses: write "
				     "'backplane: { address: ..., redirect: ... }'");
	result = add_match(r, (struct place){"links", (int)index, NULL}, y, PORT_BACKPLANE);
	if (result == 0)
		c->matches[c->match_count - 1].info.link = (uint8_t)kind;
	return result;
}

static int read_ports(const struct reading *r)
{
	const struct yaml_config *y = r->yaml;
	int result;

	r->config->matches =
		memory_alloc_array(y->access_count + y->external_count + y->links_count + 1,
				   sizeof(*r->config->matches));
	result = read_backplane(r);
	for (unsigned i = 0; i < y->links_count && result == 0; i++)
		result = read_link(r, i);
	for (unsigned i = 0; i < y->access_count && result == 0; i++)
		result = add_match(r, (struct place){"access", (int)i, NULL}, &y->access[i],
				   PORT_ACCESS);
	for (unsigned i = 0; i < y->external_count && result == 0; i++)
		result = add_match(r, (struct place){"external", (int)i, NULL}, &y->external[i],
				   PORT_EXTERNAL);
	return result;
}

int config_parse(const char *path, const char *text, size_t size, struct config *ret,
		 struct reason *why)
{
	void *yaml = NULL;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	int result = config_file_parse(path, text, size, &config_yaml_schema, &yaml, why);

	if (result < 0)
		return result;
	struct config_lines *lines = config_lines_create(text, size);
	const struct reading r = {.config = ret, .yaml = yaml, .lines = lines, .why = why};

	result = read_agent(&r);
	if (result == 0)
		result = read_settings(&r);
	if (result == 0)
		result = config_read_guard(&r);
	if (result == 0)
		result = read_xdp(&r);
	if (result == 0)
		result = read_awake(&r);
	if (result == 0)
		result = read_ports(&r);
	config_lines_destroy(lines);
	config_file_free(&config_yaml_schema, yaml);
	if (result < 0)
		config_finish(ret);
	return result;
}

int config_load(const char *path, struct config *ret, struct reason *why)
{
	size_t size;
	char *text;
	int result = config_file_read(path, &text, &size, why);

	if (result < 0)
		return result;
	result = config_parse(path, text, size, ret, why);
	free(text);
	return result;
}

void config_finish(struct config *c)
{
	free(c->matches);
	free(c->shield);
	memset(c, 0, sizeof(*c));
}
