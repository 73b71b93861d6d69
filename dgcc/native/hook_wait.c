/* hook_wait.c: where a driver reaps its children: those that did not end well are reported to the master.
 *
 * The master lets a client execute its recipe in place and sees its end, but not its status: only the parent gets
 * that. The report is an extra: every failure to send it is ignored.
 */
#define _GNU_SOURCE
#include "hook.h"
#include "wire.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void report(pid_t pid, int status)
{
    if (hook.role == INERT || hook.role == CARRIER || getpid() != hook.pid)
        return;
    if (pid <= 0 || (!WIFSIGNALED(status) && !(WIFEXITED(status) && WEXITSTATUS(status) != 0)))
        return;
    int error = errno;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    unsigned char frame[WIRE_HEADER + 10], *at = wire_header(frame, 10, WIRE_FAILED);
    at = wire_u16(at, WIRE_VERSION);
    at = wire_u32(at, (uint32_t)pid);
    wire_u32(at, (uint32_t)status);
    if (strlen(hook.socket) < sizeof to.sun_path) {
        strcpy(to.sun_path, hook.socket);
        /* Not blocking: a master too busy to be reached must not hold up the driver. */
        int master = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (master >= 0) {
            if (connect(master, (struct sockaddr *)&to, sizeof to) == 0)
                send(master, frame, sizeof frame, MSG_NOSIGNAL);
            close(master);
        }
    }
    errno = error;
}

static pid_t reap(pid_t which, int *status, int options, struct rusage *usage)
{
    hook_find_real();
    int own = 0;
    pid_t pid = real.wait4(which, &own, options, usage);
    if (pid > 0) {
        report(pid, own);
        if (status)
            *status = own;
    }
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
        if (info->si_code == CLD_EXITED)
            report(info->si_pid, status_of_exit((uint32_t)info->si_status));
        else if (info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED)
            report(info->si_pid, status_of_signal((uint32_t)info->si_status));
    }
    return result;
}
