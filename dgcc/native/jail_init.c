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
    drop_capabilities(!spec->user_ns);

    int64_t start = now_us();
    pid_t job = fork();
    if (job < 0)
        fail("cannot fork", NULL, errno, "raise the limit of processes (ulimit -u) on this host");
    if (!job)
        job_main(spec);
    /* From here on the job runs beside us with the same user: give it nothing to find here. */
    prctl(PR_SET_DUMPABLE, 0);
    close_range(0, (unsigned)spec->result_fd - 1, 0);
    close_range((unsigned)spec->result_fd + 1, ~0U, 0);

    int status = 0;
    pid_t ended;
    do
        ended = wait(&status);
    while (ended != job && (ended > 0 || errno == EINTR));
    int64_t wall = now_us() - start;
    kill(-1, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    struct rusage used; /* of all that have ended, hence complete only now */
    getrusage(RUSAGE_CHILDREN, &used);
    dprintf(spec->result_fd, "ok%c%d%c%d%c%lld%c%lld%c%lld%c", 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0, (long long)(micros(used.ru_utime) + micros(used.ru_stime)), 0,
            (long long)used.ru_maxrss * 1024, 0, (long long)wall, 0);
    _exit(0);
}
