/* Bodies and queries of REST requests: any bytes give a request or a reason. */
#include "base/memory.h"
#include "controller/io/northbound_body.h"
#include "controller/io/routes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As http.c gives it: terminated. */
	char *body = memory_alloc(size + 1), argument[16];
	struct node_spec n;
	struct move_request move;
	struct device devices[NODE_DEVICES_MAX];
	unsigned count;
	struct reason why = {""};

	memcpy(body, data, size);
	if (node_from_json("vm1", body, size, &n, &why) < 0 && !why.text[0])
		abort();
	why.text[0] = '\0';
	if (move_from_json(body, size, &move, &why) < 0 && !why.text[0])
		abort();
	why.text[0] = '\0';
	if (devices_from_json("vm1", body, size, devices, &count, &why) < 0 && !why.text[0])
		abort();
	if (count > NODE_DEVICES_MAX)
		abort();
	(void)!query_get(body, "source", argument, sizeof(argument));
	(void)!route_match("/v1/nodes/{}/move", body, argument, sizeof(argument));
	free(body);
	return 0;
}
