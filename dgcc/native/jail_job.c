/* Process 2 of a jail: limits, environment and working directory as the recipe had them, then the command itself. */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void drop_capabilities(uint64_t kept)
{
    /* A uid 0 inside must not count as root for the kernel. */
    if (!kept && prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                       SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                       SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) < 0)
        fail("cannot lock the capabilities", NULL, errno, NULL);
    for (int capability = 0; capability < 64; capability++)
        if (!(kept >> capability & 1) && prctl(PR_CAPBSET_DROP, capability) < 0) {
            if (errno == EINVAL)
                break; /* past the last one that this kernel knows */
            fail("cannot drop capabilities", NULL, errno, NULL);
        }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2], now[2];
    if (syscall(SYS_capget, &header, now) < 0)
        fail("cannot read the capabilities", NULL, errno, NULL);
    for (int i = 0; i < 2; i++) {
        sets[i].permitted = now[i].permitted & (uint32_t)(kept >> 32 * i);
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, sets) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("cannot drop capabilities", NULL, errno, NULL);
}

static void set_limits(const struct spec *spec)
{
    for (size_t i = 0; i < spec->limit_count; i++) {
        struct rlimit limit;
        getrlimit((__rlimit_resource_t)spec->limits[i].resource, &limit);
        if (spec->limits[i].value < limit.rlim_max)
            limit.rlim_max = spec->limits[i].value;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit((__rlimit_resource_t)spec->limits[i].resource, &limit) < 0)
            fail("cannot set a resource limit", NULL, errno, NULL);
    }
}

/* All that an upper layer must be able to do, without any program of the host. */
static _Noreturn void self_test(void)
{
    int made = open("made", O_WRONLY | O_CREAT | O_EXCL, 0644);
    bool works = made >= 0 && !rmdir("dir/old") && !rmdir("dir") && !mkdir("dir", 0755);
    if (!works)
        dprintf(2, "%s", strerror(errno));
    _exit(works ? 0 : 1);
}

_Noreturn void job_main(const struct spec *spec)
{
    setsid(); /* no controlling terminal, and a process group of its own */
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0)
        fail("cannot open", "/dev/null", errno, NULL);
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        fail("cannot close descriptors", NULL, errno, "Linux 5.11 or later is needed");
    /* Not by signal(): libc keeps its own two from us, and what started the slave may have ignored them. */
    static const struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } fallback;
    for (int signal_number = 1; signal_number < _NSIG; signal_number++)
        syscall(SYS_rt_sigaction, signal_number, &fallback, NULL, sizeof fallback.mask);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir(spec->cwd) < 0)
        fail("cannot enter the working directory", spec->cwd, errno, "the roots of the job must hold it");
    set_limits(spec);
    umask(spec->umask);
    drop_capabilities(spec->user_ns ? 0 : CAPABILITIES_FILES);
    if (!spec->host_root)
        filter_load();
    if (spec->self_test)
        self_test();
    environ = spec->env;
    execvp(spec->program, spec->argv);
    dprintf(2, "%s: %s\n", spec->program, strerror(errno));
    _exit(errno == ENOENT || errno == ENOTDIR ? 127 : 126);
}
