/* Run when DGCC is built: writes, as a C header for dgcc-jail, the programs that decide which system calls a job may
 * make. libseccomp knows the numbers of the calls on each architecture and makes the programs; the jail itself only
 * loads them, so it neither needs the library nor spends time on making the same programs for each job.
 *
 * Two programs, as the stricter answer of the two counts: the first says which calls there are, the second which
 * arguments of theirs are refused. (libseccomp cannot say "all but these" within one.) A call in neither list does not
 * exist for the job (ENOSYS), as on an older kernel, so libc does it another way: clone3, whose flags a filter cannot
 * read, becomes clone. One that is refused on purpose gets EPERM. The 32-bit ABI of the same CPU has the same lists;
 * any other, x32 too, ends the program (SIGSYS).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What compilers, build tools, interpreters and tests use. By purpose; names that an architecture lacks are skipped. */
static const char *const allowed[] = {
    /* files */
    "access", "chdir", "chmod", "chown", "chown32", "close", "close_range", "copy_file_range", "creat", "dup", "dup2",
    "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "fchdir", "fchmod", "fchmodat",
    "fchown", "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock",
    "fremovexattr", "fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
    "ftruncate64", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init",
    "inotify_init1", "inotify_rm_watch", "ioctl", "lchown", "lchown32", "lgetxattr", "link", "linkat", "listxattr",
    "llistxattr", "_llseek", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "mkdir", "mkdirat", "mknod",
    "mknodat", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev",
    "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "removexattr", "rename", "renameat",
    "renameat2", "rmdir", "sendfile", "sendfile64", "setxattr", "splice", "stat", "stat64", "statfs", "statfs64",
    "statx", "symlink", "symlinkat", "sync", "sync_file_range", "sync_file_range2", "arm_sync_file_range", "syncfs",
    "tee", "truncate", "truncate64", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimensat_time64", "utimes",
    "vmsplice", "write", "writev",
    /* waiting */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "epoll_wait_old", "eventfd", "eventfd2", "_newselect", "pause", "pipe", "pipe2", "poll", "ppoll", "ppoll_time64",
    "pselect6", "pselect6_time64", "select", "signalfd", "signalfd4",
    /* memory */
    "brk", "get_mempolicy", "madvise", "mbind", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall",
    "mmap", "mmap2", "mprotect", "mremap", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free",
    "pkey_mprotect", "remap_file_pages", "set_mempolicy",
    /* processes and threads; clone without namespaces */
    "alarm", "arch_prctl", "capget", "clone", "execve", "execveat", "exit", "exit_group", "fork", "futex",
    "futex_time64", "futex_waitv", "get_robust_list", "get_thread_area", "getcpu", "getegid", "getegid32", "geteuid",
    "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer", "getpgid", "getpgrp", "getpid",
    "getppid", "getpriority", "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage",
    "getsid", "gettid", "getuid", "getuid32", "ioprio_get", "ioprio_set", "kill", "nice", "pidfd_open",
    "pidfd_send_signal", "prctl", "prlimit64", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64",
    "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "set_robust_list",
    "set_thread_area", "set_tid_address", "set_tls", "setpgid", "setpriority", "setrlimit", "setsid", "sgetmask",
    "sigaction", "sigaltstack", "signal", "sigpending", "sigprocmask", "sigreturn", "sigsuspend", "ssetmask",
    "tgkill", "times", "tkill", "ugetrlimit", "vfork", "wait4", "waitid", "waitpid", "cacheflush", "breakpoint",
    /* ids: without capabilities these change nothing that matters, but programs call them */
    "capset", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32",
    "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32",
    "setuid", "setuid32",
    /* a program may lock itself up further, as `file` does */
    "seccomp",
    /* time */
    "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "gettimeofday", "nanosleep", "setitimer", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create",
    "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
    /* among the job's own processes: System V and POSIX IPC, sockets */
    "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend",
    "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop",
    "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt", "shmget",
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recv", "recvfrom",
    "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    "socketpair",
    /* the system */
    "getrandom", "oldfstat", "oldlstat", "oldolduname", "oldstat", "olduname", "sysinfo", "uname",
};

/* What no job has a use for, and a stranger might. */
static const char *const refused[] = {
    /* mounts, roots, namespaces */
    "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
    "pivot_root", "setns", "umount", "umount2", "unshare",
    /* other processes' insides */
    "kcmp", "pidfd_getfd", "process_madvise", "process_mrelease", "process_vm_readv", "process_vm_writev",
    "migrate_pages", "move_pages",
    /* keys, other ways to a file, quotas */
    "add_key", "fanotify_init", "fanotify_mark", "keyctl", "name_to_handle_at", "open_by_handle_at", "quotactl",
    "quotactl_fd", "request_key",
    /* the kernel itself */
    "acct", "bpf", "create_module", "delete_module", "finit_module", "init_module", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kexec_file_load", "kexec_load", "lookup_dcookie",
    "memfd_secret", "modify_ldt", "nfsservctl", "perf_event_open", "reboot", "subpage_prot", "swapoff", "swapon",
    "syslog", "uselib", "userfaultfd", "vhangup", "vm86", "vm86old",
    /* the host's clock and name */
    "adjtimex", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "setdomainname",
    "sethostname", "settimeofday", "stime",
};

/* LeakSanitizer, which ends each AddressSanitizer program, stops the program's own threads by these, and reads their
 * registers. It is less than the job can do by signals and /proc/PID/mem. PEEK, POKE, SETREGS, TRACEME, SEIZE are out. */
static const unsigned ptrace_requests[] = {7 /* CONT */, 8 /* KILL */, 12 /* GETREGS */, 16 /* ATTACH */,
                                           17 /* DETACH */, 0x4202 /* GETSIGINFO */, 0x4204 /* GETREGSET */};

/* The others that there are, so that a debugger is told it may not. */
static const unsigned ptrace_refused[] = {0 /* TRACEME */, 1, 2, 3 /* PEEK */, 4, 5, 6 /* POKE */, 9 /* SINGLESTEP */,
                                          13 /* SETREGS */, 15 /* SETFPREGS */, 24 /* SYSCALL */,
                                          0x4200 /* SETOPTIONS */, 0x4205 /* SETREGSET */, 0x4206 /* SEIZE */};

static const unsigned personalities[] = {0, 8 /* LINUX32 */, 0x40000 /* ADDR_NO_RANDOMIZE */, 0x40008,
                                         0xFFFFFFFF /* asks */};

/* An argument of a call, of which the bits `mask` are not to be `value`: `error` (0: the call is as good as done). */
static const struct {
    const char *call;
    unsigned argument;
    uint64_t mask, value;
    int error;
} refused_arguments[] = {
    {"clone", 0, CLONE_NEWNS, CLONE_NEWNS, EPERM},
    {"clone", 0, CLONE_NEWUSER, CLONE_NEWUSER, EPERM},
    {"clone", 0, CLONE_NEWPID, CLONE_NEWPID, EPERM},
    {"clone", 0, CLONE_NEWNET, CLONE_NEWNET, EPERM},
    {"clone", 0, CLONE_NEWIPC, CLONE_NEWIPC, EPERM},
    {"clone", 0, CLONE_NEWUTS, CLONE_NEWUTS, EPERM},
    {"clone", 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP, EPERM},
    /* Input put into a terminal; the console's; line disciplines, for which the kernel would load modules. */
    {"ioctl", 1, 0xFFFFFFFF, TIOCSTI, EPERM},
    {"ioctl", 1, 0xFFFFFFFF, TIOCLINUX, EPERM},
    {"ioctl", 1, 0xFFFFFFFF, TIOCCONS, EPERM},
    {"ioctl", 1, 0xFFFFFFFF, TIOCSETD, EPERM},
    /* A lease would hold up whoever opens the file on the host. */
    {"fcntl", 1, 0xFFFFFFFF, F_SETLEASE, EPERM},
    {"fcntl64", 1, 0xFFFFFFFF, F_SETLEASE, EPERM},
    {"mknod", 1, S_IFMT, S_IFCHR, EPERM},
    {"mknod", 1, S_IFMT, S_IFBLK, EPERM},
    {"mknodat", 2, S_IFMT, S_IFCHR, EPERM},
    {"mknodat", 2, S_IFMT, S_IFBLK, EPERM},
    /* A core limit of one byte, which the jail sets, keeps crashes from the host's handler; none at all would not. */
    {"setrlimit", 0, 0xFFFFFFFF, RLIMIT_CORE, 0},
};

static void check(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "filter: %s: %s\n", what, strerror(-result));
    exit(1);
}

/* One rule for one call on one architecture, if it has the call. */
static void rule(scmp_filter_ctx program, uint32_t architecture, uint32_t action, const char *call, unsigned count,
                 const struct scmp_arg_cmp *arguments)
{
    int number = seccomp_syscall_resolve_name_arch(architecture, call);
    /* Negative is what it lacks, but for those that are part of `socketcall` and `ipc` on 32-bit x86. */
    bool exists = number >= 0 || (number <= -100 && number > -300);
    if (exists) /* a rule names a call by its number on this machine, whatever it is for */
        check(seccomp_rule_add_array(program, action, seccomp_syscall_resolve_name(call), count, arguments), call);
}

/* The same for where the call's first argument, of 32 bits, has one of `count` values. */
static void rule_for(scmp_filter_ctx program, uint32_t architecture, uint32_t action, const char *call,
                     const unsigned *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scmp_arg_cmp one = SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, values[i]);
        rule(program, architecture, action, call, 1, &one);
    }
}

static scmp_filter_ctx new_program(uint32_t architecture, uint32_t otherwise)
{
    scmp_filter_ctx program = seccomp_init(otherwise);
    check(program ? 0 : -ENOMEM, "new program");
    if (architecture != seccomp_arch_native()) {
        check(seccomp_arch_add(program, architecture), "architecture");
        check(seccomp_arch_remove(program, SCMP_ARCH_NATIVE), "architecture");
    }
    check(seccomp_attr_set(program, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "other architectures");
    /* As a tree: the kernel tries each number there is when a program is loaded, and a list takes thrice as long. */
    check(seccomp_attr_set(program, SCMP_FLTATR_CTL_OPTIMIZE, 2), "tree");
    return program;
}

static scmp_filter_ctx calls(uint32_t architecture)
{
    static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6};
    /* NETLINK_ROUTE: how libc lists interfaces. */
    const struct scmp_arg_cmp netlink[] = {SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, AF_NETLINK),
                                           SCMP_A2_64(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, 0)};
    scmp_filter_ctx program = new_program(architecture, SCMP_ACT_ERRNO(ENOSYS));
    for (size_t i = 0; i < COUNT(allowed); i++)
        rule(program, architecture, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; i < COUNT(refused); i++)
        rule(program, architecture, SCMP_ACT_ERRNO(EPERM), refused[i], 0, NULL);
    /* It takes space without writing: a disk would be full before anybody notices. libc writes instead. */
    rule(program, architecture, SCMP_ACT_ERRNO(EOPNOTSUPP), "fallocate", 0, NULL);
    rule_for(program, architecture, SCMP_ACT_ALLOW, "ptrace", ptrace_requests, COUNT(ptrace_requests));
    rule_for(program, architecture, SCMP_ACT_ERRNO(EPERM), "ptrace", ptrace_refused, COUNT(ptrace_refused));
    rule_for(program, architecture, SCMP_ACT_ALLOW, "personality", personalities, COUNT(personalities));
    if (architecture == SCMP_ARCH_X86) /* a family among the arguments of `socketcall` cannot be seen: only pairs */
        return program;
    rule_for(program, architecture, SCMP_ACT_ALLOW, "socket", families, COUNT(families));
    rule(program, architecture, SCMP_ACT_ALLOW, "socket", 2, netlink);
    return program;
}

static scmp_filter_ctx arguments(uint32_t architecture)
{
    scmp_filter_ctx program = new_program(architecture, SCMP_ACT_ALLOW);
    for (size_t i = 0; i < COUNT(refused_arguments); i++) {
        struct scmp_arg_cmp what = {refused_arguments[i].argument, SCMP_CMP_MASKED_EQ, refused_arguments[i].mask,
                                    refused_arguments[i].value};
        rule(program, architecture, SCMP_ACT_ERRNO((uint32_t)refused_arguments[i].error), refused_arguments[i].call, 1,
             &what);
    }
    struct scmp_arg_cmp core[] = {SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, RLIMIT_CORE),
                                  SCMP_A2_64(SCMP_CMP_NE, 0)};
    rule(program, architecture, SCMP_ACT_ERRNO(0), "prlimit64", 2, core);
    return program;
}

static void print(const char *name, scmp_filter_ctx program)
{
    struct sock_filter code[BPF_MAXINSNS];
    FILE *exported = tmpfile();
    check(exported ? 0 : -errno, "temporary file");
    check(seccomp_export_bpf(program, fileno(exported)), name);
    rewind(exported);
    size_t count = fread(code, sizeof *code, BPF_MAXINSNS, exported);
    printf("static const struct sock_filter %s[] = { /* %zu instructions */\n", name, count);
    for (size_t i = 0; i < count; i++)
        printf("    {0x%02x, %u, %u, 0x%08x},\n", code[i].code, code[i].jt, code[i].jf, code[i].k);
    puts("};");
    fclose(exported);
    seccomp_release(program);
}

int main(int argc, char **argv)
{
    /* A machine, its own ABI, and the 32-bit one that its CPU may run beside it; 0: none. */
    static const struct { const char *machine; uint32_t wide, narrow; } machines[] = {
        {"x86_64", SCMP_ARCH_X86_64, SCMP_ARCH_X86}, {"aarch64", SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
        {"i686", SCMP_ARCH_X86, 0},                  {"armv7l", SCMP_ARCH_ARM, 0},
        {"riscv64", SCMP_ARCH_RISCV64, 0},           {"ppc64le", SCMP_ARCH_PPC64LE, 0}};
    for (size_t i = 0; argc == 2 && i < COUNT(machines); i++) {
        if (strcmp(argv[1], machines[i].machine))
            continue;
        scmp_filter_ctx which = calls(machines[i].wide), what = arguments(machines[i].wide);
        if (machines[i].narrow) {
            check(seccomp_merge(which, calls(machines[i].narrow)), "merge");
            check(seccomp_merge(what, arguments(machines[i].narrow)), "merge");
        }
        printf("/* Made by filter.c, for %s. */\n#include <linux/filter.h>\n", argv[1]);
        print("filter_calls", which);
        print("filter_arguments", what);
        return fflush(stdout) || ferror(stdout);
    }
    fputs("usage: filter MACHINE, as `uname -m` says it; known are", stderr);
    for (size_t i = 0; i < COUNT(machines); i++)
        fprintf(stderr, " %s", machines[i].machine);
    fprintf(stderr, ", not %s\n", argc > 1 ? argv[1] : "none");
    return 1;
}
