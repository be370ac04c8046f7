/* What survives the controller: nodes that operators put, the attachments as they were (soft state:
 * the FEs know better), the last term.  One SQLite file in the state directory.
 *
 * Nothing here blocks the loop after store_open: changes collect and are written by a worker
 * thread, all that has collected in one durable transaction. */
#pragma once

#include "controller/attachment.h"
#include "controller/device.h"

#include <uv.h>

struct store;

/* Opens or makes DIRECTORY/controller.db, takes it for this process alone, and writes the next
 * term durably.  A negative errno and a reason that says what to do: no such directory, no
 * permission, in use, not ours, damaged, written by a later version. */
MUST_USE int store_open(const char *directory, uv_loop_t *loop, struct store **ret,
			struct reason *why);
/* Writes what has collected, waits for it, and closes.  NULL is accepted. */
void store_close(struct store *s);
/* Higher than any before. */
uint16_t store_term(const struct store *s);

/* At start; calls 'each' for every record that can be understood. */
MUST_USE int store_read_nodes(struct store *s, void (*each)(void *to, const struct node_spec *n),
			      void *to, struct reason *why);
MUST_USE int store_read_attachments(struct store *s,
				    void (*each)(void *to, const struct attachment *a), void *to,
				    struct reason *why);

MUST_USE int store_read_drains(struct store *s, void (*each)(void *to, const char *element),
			       void *to, struct reason *why);

MUST_USE int store_read_devices(struct store *s, void (*each)(void *to, const struct device *d),
				void *to, struct reason *why);
MUST_USE int store_read_registrations(struct store *s,
				      void (*each)(void *to, const char *node, const char *device,
						   uint32_t lifetime_s),
				      void *to, struct reason *why);

/* Written at once; 'done' is called from the loop when it is durable (0), or was not written
 * (-EIO, with the text of why). */

void store_put_node(struct store *s, const struct node_spec *n,
		    void (*done)(void *to, int result, const char *why), void *to);
void store_remove_node(struct store *s, const char *id,
		       void (*done)(void *to, int result, const char *why), void *to);

/* All devices of the node, instead of those it had. */
void store_put_devices(struct store *s, const char *node, const struct device *list, unsigned count,
		       void (*done)(void *to, int result, const char *why), void *to);
void store_drain(struct store *s, const char *element, bool drains,
		 void (*done)(void *to, int result, const char *why), void *to);

/* Written within about 100 ms, the last state of each node only. */
void store_keep_attachment(struct store *s, const struct attachment *a);
void store_forget_attachment(struct store *s, const char *node);
/* 'device' NULL: none any more. */
void store_keep_registration(struct store *s, const char *node, const char *device,
			     uint32_t lifetime_s);
void store_keep_term(struct store *s, uint16_t term);

/* The file as it is when the job of that moment is done, checked: 'done' gets its bytes, borrowed;
 * or a negative errno and the text of why. */
void store_backup(struct store *s,
		  void (*done)(void *to, int result, const void *bytes, size_t size,
			       const char *why),
		  void *to);
