/* dgcc-jail's keeper: prepares scratch, starts the namespaces, maps the ids, and stays until all has ended. */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char no_namespaces[] =
    "user namespaces are disabled here: as root, sysctl user.max_user_namespaces=10000 and, where it exists, sysctl "
    "kernel.unprivileged_userns_clone=1; in a container, allow clone and unshare; or run as root";

static void make_directory(const struct spec *spec, int scratch, const char *name, const struct stat *like)
{
    if (mkdirat(scratch, name, 0755) < 0)
        fail("cannot make a directory in scratch", spec->scratch, errno, "scratch must be an empty directory");
    int fd = openat(scratch, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (spec->as_root && spec->user_ns && fchown(fd, spec->outside_uid, spec->outside_gid) < 0))
        fail("cannot give a directory to the job in scratch", spec->scratch, errno, NULL);
    if (like) {
        /* The upper directory's own attributes are what the job sees at the overlay's mount point. */
        struct timespec times[2] = {like->st_atim, like->st_mtim};
        if (spec->as_root && !spec->user_ns && fchown(fd, like->st_uid, like->st_gid) < 0)
            fail("cannot give away a directory in scratch", spec->scratch, errno, NULL);
        fchmod(fd, like->st_mode & 07777);
        futimens(fd, times);
    }
    close(fd);
}

/* The job may open its output again by name, as /dev/stdout: the pipes must be its own for that. */
static void give_pipes(uid_t owner)
{
    for (int fd = 1; fd <= 2; fd++) {
        struct stat st;
        if (!fstat(fd, &st) && S_ISFIFO(st.st_mode) && fchown(fd, owner, (gid_t)-1) < 0)
            fail("cannot give the job its output", NULL, errno, NULL);
    }
}

/* True if a mount lies beneath a bind or an overlay, which may lack the directory for it. */
static bool may_need_skeletons(const struct spec *spec)
{
    for (size_t i = 0; i < spec->mount_count; i++)
        for (size_t j = 0; j < i; j++) /* sorted by depth */
            if (spec->mounts[j].from_count && point_beneath(spec->mounts[i].path, spec->mounts[j].path))
                return true;
    return false;
}

static void prepare_scratch(const struct spec *spec)
{
    int scratch = open(spec->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scratch < 0)
        fail("cannot open scratch", spec->scratch, errno, NULL);
    if (may_need_skeletons(spec))
        make_directory(spec, scratch, "skel", NULL);
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct mount *mount = &spec->mounts[i];
        char name[32];
        struct stat like;
        if (mount->kind != MOUNT_OVERLAY || mount->readonly)
            continue;
        if (stat(mount->from[0], &like) < 0)
            fail("cannot stat the lower directory", mount->from[0], errno, NULL);
        snprintf(name, sizeof name, "upper-%d", mount->index);
        make_directory(spec, scratch, name, &like);
        snprintf(name, sizeof name, "work-%d", mount->index);
        make_directory(spec, scratch, name, NULL);
    }
    close(scratch);
}

static void write_map(pid_t pid, const char *file, const char *format, unsigned inside, unsigned outside)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int length = snprintf(text, sizeof text, format, inside, outside);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)length) != length)
        fail("cannot map the job's ids in", path, errno, no_namespaces);
    close(fd);
}

/* Wait for the init's end, or for the caller's: then end the init, and with it everything in the jail. */
static void keep(pid_t init, int init_fd)
{
    struct pollfd watched[] = {{.fd = 0}, {.fd = init_fd, .events = POLLIN}};
    bool abandoned = false;
    int status = 0;
    for (;;) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            fail("cannot wait for the job", NULL, errno, NULL);
        if (watched[1].revents)
            break;
        if (watched[0].revents) {
            abandoned = true;
            kill(init, SIGKILL);
            watched[0].fd = -1;
        }
    }
    while (waitpid(init, &status, 0) < 0 && errno == EINTR)
        ;
    if (abandoned)
        fail("the job was killed because its caller closed the pipe", NULL, 0, NULL);
    if (WIFSIGNALED(status))
        fail("the jail's first process was killed by signal", strsignal(WTERMSIG(status)), 0,
             "is this host short of memory?");
}

/* As clone, into a control group: the job is in it from its first moment, and we are not. */
static pid_t fork_into(const char *cgroup, unsigned long flags, int *pidfd)
{
    int group = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0)
        fail("cannot open the control group", cgroup, errno, NULL);
    struct clone_args how = {.flags = (flags & ~(unsigned long)SIGCHLD) | CLONE_INTO_CGROUP,
                             .pidfd = (uint64_t)(uintptr_t)pidfd,
                             .exit_signal = SIGCHLD,
                             .cgroup = (uint64_t)group};
    pid_t child = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    if (child)
        close(group);
    return child;
}

/* Where memory runs out, the kernel is to end a job rather than the slave or anything else of the host. */
static void first_to_go(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "800", 3) < 0) {
            /* a host that forbids it runs jobs all the same */
        }
        close(fd);
    }
}

int main(int argc, char **argv)
{
    static struct spec spec;
    char *end = NULL;
    long result = argc == 2 ? strtol(argv[1], &end, 10) : -1;
    if (argc != 2 || *end || result < 3 || fcntl((int)result, F_SETFD, FD_CLOEXEC) < 0)
        fail("usage: dgcc-jail RESULT_FD < SPEC, with an open descriptor from 3 on", NULL, 0, NULL);
    fail_fd = spec.result_fd = (int)result;
    spec_read(&spec, 0);
    umask(0);

    spec.as_root = geteuid() == 0;
    spec.user_ns = !spec.as_root || !spec.host_root;
    if (!spec.as_root) {
        spec.outside_uid = geteuid();
        spec.outside_gid = getegid();
    } else if (spec.user_ns) {
        if (!spec.outside_uid || !spec.outside_gid)
            fail("a job must not be root on the host", NULL, 0, "give outside_uid and outside_gid other than 0");
        if (setgroups(0, NULL) < 0)
            fail("cannot leave root's groups", NULL, errno, "run as an ordinary user instead");
        give_pipes(spec.outside_uid);
    }
    if (!spec.host_root)
        first_to_go();
    prepare_scratch(&spec);

    int go[2], init_fd = -1;
    if (pipe2(go, O_CLOEXEC) < 0)
        fail("cannot make a pipe", NULL, errno, NULL);
    unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD | SIGCHLD;
    flags |= spec.user_ns ? CLONE_NEWUSER : 0;
    flags |= spec.host_root ? 0 : CLONE_NEWNET | CLONE_NEWCGROUP;
    pid_t init = spec.cgroup ? fork_into(spec.cgroup, flags, &init_fd)
                             : (pid_t)syscall(SYS_clone, flags, NULL, &init_fd, NULL, 0L);
    if (init < 0)
        fail("cannot make namespaces", NULL, errno, no_namespaces);
    if (!init) {
        close(go[1]);
        init_main(&spec, go[0]);
    }
    close(go[0]); /* go[1] stays open: its end tells the init that we have gone */
    if (spec.user_ns) {
        write_map(init, "setgroups", "deny", 0, 0);
        write_map(init, "uid_map", "%u %u 1\n", spec.inside_uid, spec.outside_uid);
        write_map(init, "gid_map", "%u %u 1\n", spec.inside_gid, spec.outside_gid);
    }
    if (write(go[1], "", 1) != 1)
        fail("cannot start the jail's first process", NULL, errno, NULL);
    close(1); /* the job's own end closes its output */
    close(2);
    keep(init, init_fd);
    return 0;
}
