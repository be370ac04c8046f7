/* fe/hold and packet/unfinished: any frame, as one for a port that holds and as a stranger's, until
 * its time is over.  The first byte says from which port, and which of it is missing. */
#include "base/log.h"
#include "fe/agent.h"
#include "fe/hold.h"
#include "packet/unfinished.h"
#include "sim/memory_plane.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned resumed;

static int port_hold(void *context, uint32_t number, bool holds)
{
	return 0;
}

static int resume(void *context, const struct datapath_frame *frame)
{
	if (frame->size < 14 || frame->size > HOLD_FRAME_SIZE)
		abort();
	resumed++;
	return 0;
}

static void flush(void *c, struct agent_connection *connection)
{
}
static void drop(void *c, struct agent_connection *connection)
{
}

/* 10.10.0.5 is at port 1, which has no carrier in between; 10.10.0.6 is at another FE. */
static struct agent *make_agent(void)
{
	static struct memory_plane plane;
	static struct datapath_ops ops;
	const struct agent_config config = {
		.name = "fuzz", .id = 2, .binding_limit = 100, .hold_ms = 50};
	const struct agent_shell shell = {&ops, flush, drop, &plane};
	struct rule local = {
		.key = {.kind = RULE_LOCAL, .address = {{[10] = 255, 255, 10, 10, 0, 5}}},
		.port = 1,
		.mac = {{2, 0, 0, 0, 0, 5}},
		.gateway_mac = {{2, 0, 0x5e, 0, 0, 1}}};
	const struct rule foreign = {
		.key = {.kind = RULE_FOREIGN, .address = {{[10] = 255, 255, 10, 10, 0, 6}}},
		.fe = 3};
	struct agent *a;

	log_set_level(LOG_LEVEL_ERROR);
	memory_plane_init(&plane, 1);
	ops = memory_plane_ops;
	ops.port_hold = port_hold;
	ops.resume = resume;
	a = agent_create(&config, &shell, 1, 1);
	agent_adopt_rule(a, &local);
	agent_adopt_rule(a, &foreign);
	for (uint32_t number = 1; number < 4; number++) {
		const struct rule admit = {.key = {.kind = RULE_ADMIT, .port = number},
					   .fe = 2,
					   .next_table = TABLE_GUARD};

		agent_adopt_rule(a, &admit);
	}
	agent_adopt_done(a, 1);
	return a;
}

static void set_carrier(struct agent *a, bool up, int64_t now_ms)
{
	for (uint32_t number = 1; number < 4; number++) {
		const struct agent_port port = {.info = {.number = number, .role = PORT_ACCESS},
						.up = up};

		agent_port_set(a, &port, now_ms);
	}
}

/* At most one checksum is another one then, and a second time nothing. */
static void complete(const uint8_t *frame, size_t size)
{
	uint8_t *once = malloc(size + !size), *twice = malloc(size + !size);
	size_t first = size, last = 0;

	memcpy(once, frame, size);
	unfinished_complete(once, size);
	for (size_t i = 0; i < size; i++)
		if (once[i] != frame[i]) {
			first = first < i ? first : i;
			last = i;
		}
	memcpy(twice, once, size);
	unfinished_complete(twice, size);
	if ((first < size && last - first > 1) || memcmp(once, twice, size) != 0)
		abort();
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct agent *a;
	static int64_t now_ms = 1;
	struct upcall u;

	if (!a)
		a = make_agent();
	if (!size)
		return 0;
	complete(data + 1, size - 1);
	u = (struct upcall){.port = data[0] & 3,
			    .vlan = data[0] & 4,
			    .frame = data + 1,
			    .size = size - 1,
			    .wire_size = size - 1 + (data[0] >> 6)};
	resumed = 0;
	set_carrier(a, false, now_ms);
	for (unsigned i = 0; i < 3; i++) {
		u.reason = UPCALL_HELD;
		agent_upcall(a, &u, now_ms);
		u.reason = UPCALL_STRANGER;
		agent_upcall(a, &u, now_ms);
	}
	agent_tick(a, ++now_ms);
	set_carrier(a, true, ++now_ms);
	now_ms += 100;
	agent_tick(a, now_ms);
	if (resumed > 6)
		abort();
	return 0;
}
