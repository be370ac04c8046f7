/* The programs at a device's way in or out.  tcx (Linux 6.6) calls them for less than the filter of
 * a clsact qdisc, which there is everywhere.  But it calls them first: where an operator has
 * filters on the device, ours stays among them, in the order of its priority. */
#include "fe/io/datapath_private.h"

#include "base/log.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

LOG_MODULE("datapath");

/* Ours among the filters of a device: both are the same at every start, so that attaching replaces
 * the program of the process before, atomically. */
#define FILTER_HANDLE 1
#define FILTER_PRIORITY 22083 /* 0x5643, "VC" */

/* Options are cleared by memset: libbpf refuses a struct whose padding is not zero. */

/* ---- clsact ---- */

static void filter_name(uint32_t ifindex, enum bpf_tc_attach_point point, struct bpf_tc_hook *hook,
			struct bpf_tc_opts *filter)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = (int)ifindex;
	hook->attach_point = point;
	memset(filter, 0, sizeof(*filter));
	filter->sz = sizeof(*filter);
	filter->handle = FILTER_HANDLE;
	filter->priority = FILTER_PRIORITY;
}

static int clsact_attach(int program, uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts filter;
	int result;

	filter_name(ifindex, point, &hook, &filter);
	result = bpf_tc_hook_create(&hook);
	if (result && result != -EEXIST)
		return result;
	filter.flags = BPF_TC_F_REPLACE;
	filter.prog_fd = program;
	return bpf_tc_attach(&hook, &filter);
}

static int clsact_detach(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts filter;

	filter_name(ifindex, point, &hook, &filter);
	return bpf_tc_detach(&hook, &filter);
}

/* Whether one of a dump's messages is a filter that is not ours; '*done': it is the last. */
static bool is_shared_by(const struct nlmsghdr *m, bool *done)
{
	const struct tcmsg *filter = (const void *)(m + 1);

	*done = m->nlmsg_type != RTM_NEWTFILTER;
	return !*done && m->nlmsg_len >= NLMSG_LENGTH(sizeof(*filter)) &&
	       filter->tcm_info >> 16 != FILTER_PRIORITY;
}

/* Whether there is a filter that is not ours, where ours would be called. */
static bool clsact_is_shared(struct datapath *dp, uint32_t ifindex, enum bpf_tc_attach_point point)
{
	uint32_t parent =
		TC_H_MAKE(TC_H_CLSACT, point == BPF_TC_EGRESS ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	struct {
		struct nlmsghdr head;
		struct tcmsg filter;
	} request = {{sizeof(request), RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP,
		      ++dp->route_sequence, 0},
		     {.tcm_ifindex = (int)ifindex, .tcm_parent = parent}};
	union {
		struct nlmsghdr head;
		uint8_t bytes[32768]; /* what a dump has at once */
	} answer;
	bool found = false, done = send(dp->route_fd, &request, sizeof(request), 0) < 0;

	while (!done) {
		ssize_t got = recv(dp->route_fd, &answer, sizeof(answer), 0);
		int left = (int)got;

		if (got <= 0)
			break;
		for (struct nlmsghdr *m = &answer.head; NLMSG_OK(m, (unsigned)left) && !done;
		     m = NLMSG_NEXT(m, left))
			if (m->nlmsg_seq == dp->route_sequence)
				found |= is_shared_by(m, &done);
	}
	return found;
}

/* ---- either ---- */

int datapath_filter_attach(struct datapath *dp, const struct bpf_program *program, uint32_t ifindex,
			   enum bpf_tc_attach_point point)
{
	enum hook tcx = point == BPF_TC_EGRESS ? HOOK_OUT : HOOK_IN;
	int result;

	if (!clsact_is_shared(dp, ifindex, point) &&
	    !datapath_hook_set(dp, program, ifindex, tcx, 0)) {
		(void)clsact_detach(ifindex, point);
		return 0;
	}
	result = clsact_attach(bpf_program__fd(program), ifindex, point);
	if (!result)
		datapath_hook_clear(dp, ifindex, tcx);
	return result;
}

void datapath_filter_detach(const struct datapath *dp, uint32_t ifindex)
{
	int result = clsact_detach(ifindex, BPF_TC_INGRESS);

	datapath_hook_clear(dp, ifindex, HOOK_IN);
	if (result && result != -ENODEV && result != -ENOENT && result != -EINVAL)
		log_warn("device %u keeps its filter: %s", ifindex, strerror(-result));
}
