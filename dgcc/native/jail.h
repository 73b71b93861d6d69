/* dgcc-jail: runs one command in namespaces of its own, over overlays whose upper directories keep what it wrote.
 *
 * Usage: dgcc-jail RESULT_FD < SPEC
 *
 * Three processes. The *keeper* (jail.c) is the caller's child: it reads the spec, makes the scratch directories, maps
 * the ids and waits. The *init* (jail_init.c, jail_mounts.c) is process 1 of the new namespaces: it builds the root
 * directory, reaps, and ends everything when the command ends. The *job* (jail_job.c) is process 2 and becomes the
 * command. The kernel ends all processes of a pid namespace, and then its mounts, with its init; the init is tied to
 * the keeper by PR_SET_PDEATHSIG; the keeper to its caller by the pipe on stdin. So nothing stays behind, whoever dies.
 *
 * SPEC, on stdin: records `key NUL value NUL`, the last one `end NUL NUL`. stdin must stay open while the job runs:
 * when its last writer closes it, the job is killed. A regular file may stand in for the pipe. All paths are absolute
 * and normalised (no `.`, `..`, `//`, trailing `/`). Keys, `*` = may be repeated:
 *   scratch      empty directory of the caller; `upper-N` (the upper directory of the Nth overlay, counted from 0),
 *                `work-N` and maybe `skel` are made in it and left to the caller to read and remove
 *   mode         `jail` (default): an empty root with the mounts below, network unshared;
 *                `host-root`: the host's root, read-only, under the mounts below; network kept. Called by root, the
 *                command stays root with the capabilities that concern files, and there is no user namespace
 *   inside_uid, inside_gid    the ids that the job sees as its own
 *   outside_uid, outside_gid  what they are on the host when root calls (default 65534, never 0);
 *                             any other caller's job has the caller's own ids
 *   hostname     optional; default is the host's
 *   bind*        path inside; followed by `from` (host path; a symlink is copied as such) and maybe `optional` = 1
 *                (skip when the host lacks it). Recursive and read-only
 *   tmpfs*       path inside that gets an empty, private, writable directory
 *   overlay*     path inside; followed by `lower`* (host directories, topmost first) and maybe `readonly` = 1
 *   cwd, umask   inside path; octal
 *   rlimit*      `NAME=NUMBER` or `NAME=unlimited`, for soft and hard; lowered to the caller's own hard limit
 *   limit*       `NAME=NUMBER`; more than that ends the job. memory: bytes of all its processes and of what the
 *                private directories hold; output: bytes on disk of the upper directories, or in private directories;
 *                files: names in the upper directories; processes: threads of all of them; memory_left, scratch_left:
 *                bytes that the host must have available in memory and swap, and free where scratch is
 *   cgroup       optional directory of a control group (version 2), in which the job then is
 *   program      path, or a name looked up in the PATH of the job's environment
 *   self-test    `1`: instead of becoming the program, the job makes the file `made` in cwd, and replaces the directory
 *                `dir`, which holds the empty one `old`, by a new one; exit code 0 if all of that works
 *   arg*, env*   argv from argv[0] on; environment as KEY=VALUE
 * In mode `jail` a filter leaves the job only the system calls of filter.c. In `host-root` there is none: the caller
 * runs a command of his own there, which may be anything that he can do anyway.
 * Always there in mode `jail`: /proc, /dev, and private /tmp, /var/tmp, /dev/shm (in `host-root`: those the host has).
 *
 * RESULT on RESULT_FD, the first record counts:
 *   ok NUL exit code NUL signal (0 = none) NUL cpu microseconds NUL max RSS bytes NUL wall microseconds NUL
 *   limit NUL name NUL          the job went over the limit of that name, or `nested` directories too deep, or `killed`:
 *                               it failed, and the kernel ended processes of this host meanwhile for want of memory
 *   failed NUL sentence NUL     the jail could not be set up or was cut down; the command is not to blame
 * A command that does not exist is an `ok` with exit code 127 (126: cannot be executed) and a line on its stderr.
 */
#ifndef DGCC_JAIL_H
#define DGCC_JAIL_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum mount_kind { MOUNT_TMPFS, MOUNT_PROC, MOUNT_DEV, MOUNT_BIND, MOUNT_OVERLAY };

/* One mount of the job's root directory. */
struct mount {
    enum mount_kind kind;
    const char *path;       /* inside, absolute */
    int depth;              /* components of path */
    int index;              /* overlays: N of upper-N */
    bool optional;          /* binds: skip when `from` does not exist */
    bool readonly;          /* overlays */
    const char *tmpfs_mode; /* tmpfs: octal mode as a mount option */
    const char **from;      /* bind: one host path; overlay: the lower directories, topmost first */
    int *from_fd;           /* O_PATH of each, opened in the new mount namespace; -1: skipped */
    size_t from_count;
    int upper_fd, work_fd;  /* O_PATH of upper-N and work-N of a writable overlay */
    int private_fd;         /* of a tmpfs, once mounted; else -1 */
};

struct limit {
    int resource;
    rlim_t value;
};

/* What a job may use (UINT64_MAX: as much as there is), and what it must leave. */
struct most {
    uint64_t memory, output, files, processes, memory_left, scratch_left;
};

struct spec {
    const char *scratch, *cwd, *program, *hostname, *cgroup;
    bool host_root, self_test;
    uid_t inside_uid, outside_uid;
    gid_t inside_gid, outside_gid;
    mode_t umask;
    struct mount *mounts; /* by depth; at equal depth and path the later covers the earlier */
    size_t mount_count;
    struct limit *limits;
    size_t limit_count;
    struct most most;
    bool watched; /* there is a limit among them */
    char **argv, **env; /* NULL-terminated */
    /* Set by the keeper. */
    bool as_root;  /* the caller is root */
    bool user_ns;  /* a user namespace is made: always, except for root in mode host-root */
    int result_fd;
    /* Set by mounts_open. */
    int scratch_fd, skel_fd;
    /* Set by mounts_enter. */
    int root_fd, proc_fd;
};

/* jail_spec.c: read the spec from `fd`; ends the process with `fail` on a malformed one. */
void spec_read(struct spec *spec, int fd);

/* jail_fail.c: tell the caller why the jail failed (what, where, errno if not 0, what to do if not NULL) and _exit. */
extern int fail_fd;
_Noreturn void fail(const char *what, const char *where, int error, const char *advice);

/* jail_init.c: the life of process 1; `go` yields one byte when the ids are mapped. */
_Noreturn void init_main(struct spec *spec, int go);

/* jail_mounts.c: open the scratch directories and every source, with the rights and in the place of the caller. */
void mounts_open(struct spec *spec);
/* Build the root directory out of them and enter it; the host's own root is gone from view. */
void mounts_enter(struct spec *spec);

/* jail_point.c: O_PATH of `path` as a process chrooted to directory `root` would find it; -1 and errno if it cannot. */
int point_find(int root, const char *path);
/* The same, made with its parents (as a directory or an empty file) if missing; ends with `fail` if it cannot. */
int point_open(int root, const char *path, bool directory);
/* Make the symlink `path` to `target`, with its parents, beneath `root`; fine if it is there already. */
void point_link(int root, const char *path, const char *target);
/* True if `path` is a symlink to `target`. */
bool point_is_link(int root, const char *path, const char *target);
/* Write the longest existing leading directory of `path` to `found` (room for PATH_MAX); true if that is all of it. */
bool point_exists(int root, const char *path, char *found);
/* True if absolute path `path` lies strictly beneath `top`. */
bool point_beneath(const char *path, const char *top);

/* jail_usage.c: what a job uses, in bytes and numbers. */
struct usage {
    uint64_t memory;  /* of processes */
    uint64_t private; /* what the private directories hold */
    uint64_t processes, written, files;
    uint64_t resident; /* of the process that was looked at last */
    bool nested;       /* directories deeper in each other than we look */
    struct { dev_t device; ino_t inode; } nameless[1024];
    size_t nameless_count;
};
enum counting { COUNT_RESIDENT, COUNT_SHARES, COUNT_NAMELESS };
/* Count memory, private and processes: memory as the sum of what is resident, or, with `shares`, exactly. */
void usage_processes(const struct spec *spec, struct usage *usage, bool shares);
/* Count written and files, and find out nested. */
void usage_files(const struct spec *spec, struct usage *usage);

/* jail_watch.c: compare that with what it may use. */
enum { WATCH_PAUSE_MS = 100 };
void watch_begin(const struct spec *spec);
/* The name of a limit that is passed, or NULL. To be called every WATCH_PAUSE_MS. */
const char *watch_look(const struct spec *spec);
/* The same when the job has ended, and whether it `failed`. */
const char *watch_end(const struct spec *spec, bool failed);

/* jail_filter.c: restrict the system calls of this process and its descendants for good. */
void filter_load(void);

/* jail_job.c: become the command. */
_Noreturn void job_main(const struct spec *spec);
/* Give up all capabilities for good but those of the mask `kept`, which must be 0 for what a stranger runs. */
void drop_capabilities(uint64_t kept);
#define CAPABILITY(name) (1ULL << (name))
/* What root in host-root mode may still do: own, read and write any file, be another user, end its children. */
#define CAPABILITIES_FILES (CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH) | \
                            CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_FSETID) | CAPABILITY(CAP_KILL) | \
                            CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SETUID))
/* What process 1 keeps in a user namespace: to look at all that the job has, whatever modes it sets. */
#define CAPABILITIES_WATCH (CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_SYS_PTRACE))

#endif
