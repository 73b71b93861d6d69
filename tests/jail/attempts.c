/* What a job may not ask of the kernel, asked: prints `NAME ERRNO` for each call; with an argument, makes that call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(name, result) (errno = 0, printf("%s %s\n", name, (long)(result) < 0 ? strerrorname_np(errno) : "done"))
#define CALL(name, ...) SAY(#name, syscall(SYS_##name, __VA_ARGS__))

/* 32-bit x86's own way into the kernel; the error is the result. */
static long narrow(long number, long first)
{
#ifdef __x86_64__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(0), "d"(0) : "memory");
    return (int)result;
#else
    return (void)number, (void)first, 0;
#endif
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "x32"))
        return (int)syscall(0x40000000 | SYS_getpid);
    if (argc > 1) {
        printf("getpid %d unshare %ld socket %ld socketcall %ld\n", narrow(20, 0) == getpid(), narrow(310, 0),
               narrow(359, AF_INET), narrow(102, 1));
        return 0;
    }
    /* With arguments that would do nothing: what is refused is the call. */
    CALL(mount, NULL, NULL, NULL, 0, NULL);
    CALL(umount2, "/tmp", 0);
    CALL(pivot_root, "/", "/");
    CALL(chroot, "/");
    CALL(fsopen, "tmpfs", 0);
    CALL(fsconfig, -1, 0, NULL, NULL, 0);
    CALL(fsmount, -1, 0, 0);
    CALL(fspick, AT_FDCWD, "/", 0);
    CALL(open_tree, AT_FDCWD, "/", 0);
    CALL(move_mount, -1, "", -1, "", 0);
    CALL(mount_setattr, -1, "", 0, NULL, 0);
    CALL(unshare, 0);
    CALL(setns, open("/proc/self/ns/uts", O_RDONLY), 0);
    CALL(process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
    CALL(process_vm_writev, getpid(), NULL, 0, NULL, 0, 0);
    CALL(pidfd_getfd, -1, 0, 0);
    CALL(kcmp, getpid(), getpid(), 0, 0, 0);
    CALL(process_madvise, -1, NULL, 0, 0, 0);
    CALL(move_pages, 0, 0, NULL, NULL, NULL, 0);
    CALL(migrate_pages, 0, 0, NULL, NULL);
    CALL(add_key, "user", "x", "y", 1, -3);
    CALL(keyctl, 0, -3, 0, 0, 0);
    CALL(request_key, "user", "x", NULL, 0);
    CALL(bpf, 0, NULL, 0);
    CALL(perf_event_open, NULL, 0, 0, -1, 0);
    CALL(userfaultfd, 0);
    CALL(io_uring_setup, 0, NULL);
    CALL(io_uring_enter, -1, 0, 0, 0, NULL, 0);
    CALL(io_uring_register, -1, 0, NULL, 0);
    CALL(kexec_load, 0, 0, NULL, 0);
    CALL(kexec_file_load, -1, -1, 0, NULL, 0);
    CALL(init_module, NULL, 0, "");
    CALL(finit_module, -1, "", 0);
    CALL(delete_module, "none", O_NONBLOCK);
    CALL(fanotify_init, 0, 0);
    CALL(fanotify_mark, -1, 0, 0, 0, NULL);
    CALL(name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0);
    CALL(open_by_handle_at, -1, NULL, 0);
    CALL(quotactl, 0, NULL, 0, NULL);
    CALL(swapon, "/none", 0);
    CALL(swapoff, "/none");
    CALL(syslog, 10, NULL, 0);
    CALL(acct, NULL);
    CALL(reboot, 0, 0, 0, NULL);
    CALL(settimeofday, NULL, NULL);
    CALL(clock_settime, 0, NULL);
    CALL(adjtimex, NULL);
    CALL(clock_adjtime, 0, NULL);
    CALL(sethostname, "x", 1);
    CALL(setdomainname, "x", 1);
    CALL(vhangup, 0);
    CALL(lookup_dcookie, 0, NULL, 0);
#ifdef __x86_64__
    CALL(iopl, 0);
    CALL(ioperm, 0, 1, 0);
    CALL(modify_ldt, 0, NULL, 0);
    SAY("mknod-character", syscall(SYS_mknod, "/tmp/c", S_IFCHR | 0600, 0));
#endif
    SAY("mknodat-character", syscall(SYS_mknodat, AT_FDCWD, "/tmp/c", S_IFCHR | 0600, 0));
    SAY("mknodat-block", syscall(SYS_mknodat, AT_FDCWD, "/tmp/b", S_IFBLK | 0600, makedev(8, 0)));
    static const int spaces[] = {CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET,
                                 CLONE_NEWIPC, CLONE_NEWUTS,  CLONE_NEWCGROUP};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        long made = syscall(SYS_clone, spaces[i] | SIGCHLD, NULL, NULL, NULL, NULL);
        if (!made)
            _exit(0);
        SAY("clone-with-namespace", made < 0 ? syscall(SYS_clone, spaces[i] | SIGCHLD, NULL, NULL, NULL, NULL) : 0);
    }
    SAY("ptrace-traceme", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    SAY("ptrace-peek", ptrace(PTRACE_PEEKDATA, 1, NULL, NULL));
    SAY("ptrace-poke", ptrace(PTRACE_POKEDATA, 1, NULL, NULL));
    SAY("ptrace-seize", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
    SAY("ptrace-attach-to-the-first", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
    SAY("terminal-input", ioctl(1, TIOCSTI, "x"));
    SAY("terminal-input-in-64-bits", syscall(SYS_ioctl, 1L, 0x700000000L | TIOCSTI, "x"));
    SAY("line-discipline", ioctl(1, TIOCSETD, &(int){21}));
    SAY("lease", fcntl(open("/usr", O_RDONLY), F_SETLEASE, F_RDLCK));
    puts("absent:"); /* from here on, calls that do not exist */
    CALL(clone3, NULL, 0);
    SAY("socket-packet", socket(AF_PACKET, SOCK_DGRAM, 0));
    SAY("socket-vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    SAY("socket-alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
    SAY("netlink-audit", socket(AF_NETLINK, SOCK_RAW, 9));
    SAY("netlink-uevent", socket(AF_NETLINK, SOCK_RAW, 15));
    SAY("personality", syscall(SYS_personality, 0x0400000)); /* READ_IMPLIES_EXEC */
    CALL(landlock_create_ruleset, NULL, 0, 0);
    SAY("of-the-future", syscall(900));
    return 0;
}
