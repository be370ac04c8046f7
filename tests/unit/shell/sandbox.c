/* shell/sandbox: what a process can do no more, tried in children. */
#include "shell/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* How a child ends that enters the sandbox and then does 'work'. */
static int status_of(int (*work)(void), bool uses_bpf)
{
	const struct sandbox s = {.capabilities = CAPABILITY(CAP_NET_RAW), .uses_bpf = uses_bpf};
	struct reason why = {""};
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		if (sandbox_enter(&s, &why) < 0) {
			(void)!write(2, why.text, strlen(why.text));
			_exit(99);
		}
		_exit(work());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void ends_well(int (*work)(void), bool uses_bpf)
{
	int status = status_of(work, uses_bpf);

	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("status %x", status);
}

static void is_killed(int (*work)(void))
{
	int status = status_of(work, false);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("status %x", status);
}

static void *add_one(void *to)
{
	++*(int *)to;
	return NULL;
}

static int do_daily_work(void)
{
	pthread_t thread;
	int count = 0, pair[2];

	if (pthread_create(&thread, NULL, add_one, &count) || pthread_join(thread, NULL))
		return 1;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || write(pair[0], "a", 1) != 1)
		return 2;
	char *memory = malloc(1 << 20);

	free(memory);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	return count == 1 && fd >= 0 ? 0 : 3;
}

static void daily_work_goes_on(void **state)
{
	ends_well(do_daily_work, false);
	ends_well(do_daily_work, true);
}

static int run_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int enter_namespace(void)
{
	return (int)syscall(SYS_unshare, 0);
}

static int become_somebody(void)
{
	return (int)syscall(SYS_setuid, 0);
}

static int load_program(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static void what_only_an_intruder_calls_is_the_end(void **state)
{
	is_killed(run_program);
	is_killed(enter_namespace);
	is_killed(become_somebody);
	is_killed(load_program);
}

static int see_limits(void)
{
	struct rlimit core;

	if (getrlimit(RLIMIT_CORE, &core) || core.rlim_max)
		return 1;
	if (prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (geteuid() == 0 && i != CAP_NET_RAW && prctl(PR_CAPBSET_READ, i, 0, 0, 0))
			return 3;
	}
	errno = 0;
	if (socket(AF_VSOCK, SOCK_STREAM, 0) != -1 || errno != ENOSYS)
		return 4;
	errno = 0;
	return socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == ENOSYS ? 0 : 5;
}

static void nothing_is_dumped_and_nothing_gained(void **state)
{
	ends_well(see_limits, false);
}

static int try_bpf(void)
{
	/* Refused by the kernel perhaps, but not deadly. */
	(void)syscall(SYS_bpf, -1, NULL, 0);
	errno = 0;
	(void)!socket(AF_PACKET, SOCK_RAW, 0);
	return errno == ENOSYS;
}

static void who_uses_bpf_may(void **state)
{
	ends_well(try_bpf, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daily_work_goes_on),
		cmocka_unit_test(what_only_an_intruder_calls_is_the_end),
		cmocka_unit_test(nothing_is_dumped_and_nothing_gained),
		cmocka_unit_test(who_uses_bpf_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
