/* Names of elements and ports by id, gathered from the core for one answer. */
#include "controller/io/names.h"

#include <string.h>

struct port_key {
	uint32_t fe, port;
};

struct naming {
	struct names *names;
	const struct core *core;
	uint32_t fe;
};

static void name_port(void *to, const struct port_view *p)
{
	const struct naming *n = to;
	struct port_key key = {n->fe, p->number};

	memcpy(table_put(&n->names->ports, &key, NULL), p->name, sizeof(p->name));
}

static void name_element(void *to, const struct element_view *e)
{
	struct naming *n = to;

	memcpy(table_put(&n->names->elements, &e->id, NULL), e->name, sizeof(e->name));
	n->fe = e->id;
	core_ports(n->core, e->id, name_port, n);
}

void names_init(struct names *n, const struct core *core)
{
	struct naming naming = {.names = n, .core = core};

	table_init(&n->elements, sizeof(uint32_t), NAME_SIZE, 0);
	table_init(&n->ports, sizeof(struct port_key), OFP_PORT_NAME_SIZE, 0);
	core_elements(core, name_element, &naming);
}

void names_finish(struct names *n)
{
	table_finish(&n->elements);
	table_finish(&n->ports);
}

const char *names_element(const struct names *n, uint32_t fe)
{
	return table_get(&n->elements, &fe);
}

const char *names_port(const struct names *n, uint32_t fe, uint32_t port)
{
	struct port_key key = {fe, port};

	return table_get(&n->ports, &key);
}
