/* See sandbox.h.  A system call that a later libc may try gets ENOSYS, so that it takes an older
 * one; what only an intruder would call ends the process.
 *
 * AddressSanitizer's leak detector traces its own process when it ends, so builds with it allow
 * that, and executable memory. */
#include "shell/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* Files, sockets, memory, threads, time: the daily work of both daemons and of their libraries. */
static const char *const daily[] = {
	"accept",
	"accept4",
	"access",
	"arch_prctl",
	"bind",
	"brk",
	"chmod",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"close",
	"close_range",
	"connect",
	"dup",
	"dup2",
	"dup3",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"exit",
	"exit_group",
	"faccessat",
	"faccessat2",
	"fallocate",
	"fchmod",
	"fchmodat",
	"fchown",
	"fcntl",
	"fdatasync",
	"flock",
	"fstat",
	"fstatfs",
	"fsync",
	"ftruncate",
	"futex",
	"get_robust_list",
	"getcwd",
	"getdents64",
	"getegid",
	"geteuid",
	"getgid",
	"getpeername",
	"getpid",
	"getppid",
	"getpriority",
	"getrandom",
	"getresgid",
	"getresuid",
	"getrlimit",
	"getrusage",
	"getsockname",
	"getsockopt",
	"gettid",
	"gettimeofday",
	"getuid",
	"ioctl",
	"listen",
	"lseek",
	"lstat",
	"madvise",
	"membarrier",
	"mkdir",
	"mkdirat",
	"mremap",
	"munmap",
	"nanosleep",
	"newfstatat",
	"open",
	"openat",
	"pidfd_open",
	"pipe",
	"pipe2",
	"poll",
	"ppoll",
	"pread64",
	"preadv",
	"prctl",
	"pselect6",
	"pwrite64",
	"pwritev",
	"read",
	"readlink",
	"readlinkat",
	"readv",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"rename",
	"renameat",
	"renameat2",
	"restart_syscall",
	"rmdir",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_setscheduler",
	"sched_yield",
	"select",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"set_robust_list",
	"set_tid_address",
	"setsockopt",
	"shutdown",
	"sigaltstack",
	"socketpair",
	"stat",
	"statfs",
	"statx",
	"sysinfo",
	"tgkill",
	"time",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	"umask",
	"uname",
	"unlink",
	"unlinkat",
	"utimensat",
	"write",
	"writev",
};

/* What only an intruder would call. */
static const char *const deadly[] = {
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"setns",
	"unshare",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"swapon",
	"swapoff",
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setgroups",
	"capset",
	"keyctl",
	"add_key",
	"request_key",
	"perf_event_open",
	"userfaultfd",
	"bpf",
	"open_by_handle_at",
	"iopl",
	"ioperm",
	"io_uring_setup",
	"acct",
	"settimeofday",
	"clock_settime",
	"sethostname",
	"quotactl",
	"personality",
	"mknod",
	"mknodat",
	"fsopen",
	"move_mount",
	"open_tree",
};

/* ---- capabilities ---- */

static int keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	/* The bounding set first: taking from it needs a capability. */
	for (unsigned i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (!(keep & CAPABILITY(i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 &&
		    errno != EPERM)
			return -errno;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* ---- system calls ---- */

static int add(scmp_filter_ctx filter, uint32_t action, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number < 0)
		return 0; /* not of this architecture, or younger than libseccomp */
	return seccomp_rule_add(filter, action, number, 0);
}

static int add_sockets(scmp_filter_ctx filter, bool packets)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};
	int result = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(families) && result == 0; i++) {
		if (families[i] == AF_PACKET && !packets)
			continue;
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	}
	return result;
}

/* Threads, but no namespaces; no memory that is made executable; limits of our own alone. */
static int add_masked(scmp_filter_ctx filter)
{
	const scmp_datum_t namespaces = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID |
					CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));

	result = result ? result
			: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
					   SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	result = result ? result
			: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					   SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return result ? result
		      : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
					 SCMP_A0(SCMP_CMP_EQ, 0));
}

static int add_sanitizers(scmp_filter_ctx filter)
{
	static const char *const more[] = {"ptrace", "getdents", "prlimit64", "clone",
					   "mmap",   "mprotect", "wait4",     "kill",
					   "gettid", "setrlimit"};
	int result = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(more) && result == 0; i++)
		result = add(filter, SCMP_ACT_ALLOW, more[i]);
	return result;
}

static bool is_needed(const char *name, const struct sandbox *s)
{
	return (strcmp(name, "bpf") == 0 && s->uses_bpf) ||
	       (IS_SANITIZED && strcmp(name, "ptrace") == 0);
}

static int fill_filter(scmp_filter_ctx filter, const struct sandbox *s)
{
	int result = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(daily) && result == 0; i++)
		result = add(filter, SCMP_ACT_ALLOW, daily[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(deadly) && result == 0; i++) {
		uint32_t action = is_needed(deadly[i], s) ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS;

		result = add(filter, action, deadly[i]);
	}
	result = result ? result : add_sockets(filter, s->uses_bpf);
	if (result == 0)
		result = IS_SANITIZED ? add_sanitizers(filter) : add_masked(filter);
	return result;
}

static int filter_calls(const struct sandbox *s)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int result = filter ? fill_filter(filter, s) : -ENOMEM;

	if (result == 0)
		result = seccomp_load(filter); /* sets no_new_privs */
	seccomp_release(filter);
	return result;
}

int sandbox_enter(const struct sandbox *s, struct reason *why)
{
	const struct rlimit none = {0, 0};
	int result;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return reason_set(why, -errno, "core dumps cannot be turned off: %s",
				  strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return reason_set(why, -errno, "no_new_privs: %s", strerror(errno));
	result = keep_capabilities(s->capabilities);
	if (result < 0)
		return reason_set(why, result, "capabilities cannot be given up: %s",
				  strerror(-result));
	result = filter_calls(s);
	if (result < 0)
		return reason_set(why, result,
				  "the system call filter is refused: %s; --no-sandbox starts "
				  "without it",
				  strerror(-result));
	return 0;
}
