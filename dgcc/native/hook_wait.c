/* hook_wait.c: where a driver reaps its children: those that did not end well are reported to the master, and what those
 * used that used much.
 *
 * The master lets a client execute its recipe in place and sees its end, but neither status nor usage: only the parent
 * gets these. The report is an extra: every failure to send it is ignored.
 */
#define _GNU_SOURCE
#include "hook.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* What is worth a message: most recipes use less, and cost none. */
enum { WORTH_MS = 10, WORTH_KIB = 50 << 10 };

static void tell(const unsigned char *frame, size_t length)
{
    int error = errno;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(hook.socket) < sizeof to.sun_path) {
        strcpy(to.sun_path, hook.socket);
        /* Not blocking: a master too busy to be reached must not hold up the driver. */
        int master = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (master >= 0) {
            if (connect(master, (struct sockaddr *)&to, sizeof to) == 0)
                send(master, frame, length, MSG_NOSIGNAL);
            close(master);
        }
    }
    errno = error;
}

static bool listens(pid_t pid)
{
    return hook.role != INERT && hook.role != CARRIER && getpid() == hook.pid && pid > 0;
}

static void report_failure(pid_t pid, int status)
{
    unsigned char frame[WIRE_HEADER + 10], *at = wire_header(frame, 10, WIRE_FAILED);
    at = wire_u16(at, WIRE_VERSION);
    at = wire_u32(at, (uint32_t)pid);
    wire_u32(at, (uint32_t)status);
    tell(frame, sizeof frame);
}

static uint64_t milliseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_usec / 1000;
}

static uint32_t bounded(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* The most memory that this process has had since it became this program, KiB; 0 if that is not known. Source: proc(5).
 * (ru_maxrss would tell what whoever started it had.) */
static uint64_t own_peak(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    const char *at = strstr(text, "\nVmHWM:");
    return at ? strtoull(at + strlen("\nVmHWM:"), NULL, 10) : 0;
}

static void report_usage(pid_t pid, const struct rusage *usage)
{
    uint64_t cpu = milliseconds(usage->ru_utime) + milliseconds(usage->ru_stime);
    uint64_t memory = (uint64_t)usage->ru_maxrss;
    int error = errno;
    /* A child that was started by vfork begins with the driver's own memory, and Linux counts that as its own. */
    if (memory >= WORTH_KIB && memory <= own_peak())
        memory = 0;
    errno = error;
    if (cpu < WORTH_MS && memory < WORTH_KIB)
        return;
    unsigned char frame[WIRE_HEADER + 14], *at = wire_header(frame, 14, WIRE_USAGE);
    at = wire_u16(at, WIRE_VERSION);
    at = wire_u32(at, (uint32_t)pid);
    at = wire_u32(at, bounded(cpu));
    wire_u32(at, bounded(memory));
    tell(frame, sizeof frame);
}

static bool well(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool failed(int status)
{
    return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static pid_t reap(pid_t which, int *status, int options, struct rusage *usage)
{
    hook_find_real();
    int how = 0;
    struct rusage used;
    pid_t pid = real.wait4(which, &how, options, &used);
    if (listens(pid)) {
        if (failed(how))
            report_failure(pid, how);
        else if (well(how))
            report_usage(pid, &used);
    }
    if (pid > 0 && status)
        *status = how;
    if (pid > 0 && usage)
        *usage = used;
    return pid;
}

EXPORT pid_t wait(int *status)
{
    return reap(-1, status, 0, NULL);
}

EXPORT pid_t waitpid(pid_t which, int *status, int options)
{
    return reap(which, status, options, NULL);
}

EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
    return reap(-1, status, options, usage);
}

EXPORT pid_t wait4(pid_t which, int *status, int options, struct rusage *usage)
{
    return reap(which, status, options, usage);
}

EXPORT int waitid(idtype_t kind, id_t which, siginfo_t *info, int options)
{
    hook_find_real();
    int result = real.waitid((int)kind, which, info, options);
    if (result == 0 && info && info->si_pid > 0 && (options & WEXITED) && !(options & WNOWAIT)) {
        bool exited = info->si_code == CLD_EXITED;
        bool killed = info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;
        int how = exited ? status_of_exit((uint32_t)info->si_status) : status_of_signal((uint32_t)info->si_status);
        if ((exited || killed) && failed(how) && listens(info->si_pid))
            report_failure(info->si_pid, how);
    }
    return result;
}
