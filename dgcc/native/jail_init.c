/* Process 1 of a jail: takes the job's identity, builds its root, starts it, reaps, and ends all that it left. */
#include "jail.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The network namespace has one interface, loopback, which starts down; programs expect it to work. */
static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail("cannot bring up the loopback interface", NULL, errno, NULL);
    close(fd);
}

static void die_with_keeper(int go)
{
    struct pollfd keeper = {.fd = go};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("cannot ask to die with the parent", NULL, errno, NULL);
    /* It may have died before the call. */
    if (poll(&keeper, 1, 0) > 0)
        _exit(125);
}

static int64_t micros(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

/* End the jail, and with it all processes in it, if a limit is passed. */
static void over(const char *limit, const struct spec *spec)
{
    if (!limit)
        return;
    dprintf(spec->result_fd, "limit%c%s%c", 0, limit, 0);
    _exit(0);
}

/* Reap until the job has ended, and watch what it uses. Returns its status. */
static int wait_for(pid_t job, const struct spec *spec)
{
    const struct timespec pause = {.tv_nsec = WATCH_PAUSE_MS * 1000000L};
    int64_t look = now_us() + WATCH_PAUSE_MS * 1000;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
            if (ended == job)
                return status;
        if (ended < 0 && errno == ECHILD)
            fail("the job is lost", NULL, errno, NULL);
        sigtimedwait(&child, NULL, spec->watched ? &pause : NULL); /* or sigwaitinfo */
        if (!spec->watched || now_us() < look)
            continue;
        over(watch_look(spec), spec);
        look = now_us() + WATCH_PAUSE_MS * 1000;
    }
}

_Noreturn void init_main(struct spec *spec, int go)
{
    char byte;
    while (read(go, &byte, 1) != 1)
        if (errno != EINTR)
            _exit(125);
    /* Sources are opened before the identity changes: the caller's directories may be closed to the job's user. */
    mounts_open(spec);
    if (spec->user_ns && (setresgid(spec->inside_gid, spec->inside_gid, spec->inside_gid) < 0 ||
                          setresuid(spec->inside_uid, spec->inside_uid, spec->inside_uid) < 0))
        fail("cannot take the job's user and group", NULL, errno, NULL);
    die_with_keeper(go); /* only now: a change of identity cancels it */
    if (spec->hostname && *spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
        fail("cannot set the host name to", spec->hostname, errno, NULL);
    if (!spec->host_root)
        loopback_up();
    mounts_enter(spec);
    watch_begin(spec);

    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    prctl(PR_SET_DUMPABLE, 0); /* the job will run beside us with the same user: give it nothing to find here */
    int64_t start = now_us();
    pid_t job = fork();
    if (job < 0)
        fail("cannot fork", NULL, errno, "raise the limit of processes (ulimit -u) on this host");
    if (!job)
        job_main(spec);
    close(go);
    close_range(0, 2, 0);
    drop_capabilities(spec->user_ns ? CAPABILITIES_WATCH : CAPABILITIES_FILES);

    int status = wait_for(job, spec);
    int64_t wall = now_us() - start;
    kill(-1, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    struct rusage used; /* of all that have ended, hence complete only now */
    getrusage(RUSAGE_CHILDREN, &used);
    over(watch_end(spec, status != 0), spec);
    dprintf(spec->result_fd, "ok%c%d%c%d%c%lld%c%lld%c%lld%c", 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0, (long long)(micros(used.ru_utime) + micros(used.ru_stime)), 0,
            (long long)used.ru_maxrss * 1024, 0, (long long)wall, 0);
    _exit(0);
}
