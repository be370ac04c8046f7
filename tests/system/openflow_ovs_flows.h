/* One flow of every shape that VICTOR uses, for openflow_ovs.c. */
#pragma once

#include "openflow/message.h"

#define FLOWS_MAX 32

extern struct ofp_flow_mod flows[FLOWS_MAX];
extern unsigned flow_count;

/* Fills both. */
void make_flows(void);
