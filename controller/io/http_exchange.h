/* A request and its answer on a connection; for http_connection.c, on the HTTP thread. */
#pragma once

#include "controller/io/http_private.h"

/* 'c->head' has been read: refuses it, opens the stream, waits for the body or hands it on. */
void exchange_begin(struct connection *c, int64_t now_ms);
/* The body is in 'c->in' (before what comes after it): the loop gets the request. */
void exchange_submit(struct connection *c);
/* The answer is written, or the connection goes. */
void exchange_end(struct connection *c);

/* http_connection.c: the connection is no stranger any more; false: there are too many. */
MUST_USE bool connection_know(struct connection *c);
