/* Counts what a job uses: memory and processes as /proc tells, and what it has written in its layers. */
#include "jail.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MOST_NESTED = 400 }; /* directories in each other; each takes a descriptor of ours while we look */

/* Read a small file of /proc/PID; false if the process is gone, or hides it. */
static bool read_small(int process, const char *name, char *text, size_t size)
{
    int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* Threads and resident bytes, fields 20 and 24 of proc(5). The name before the last `)` may hold anything. */
static bool read_stat(int process, struct usage *usage)
{
    char text[1024];
    if (!read_small(process, "stat", text, sizeof text))
        return false;
    char *at = strrchr(text, ')');
    long long threads = 0, resident = 0;
    for (int field = 3; at && (at = strchr(at, ' ')); field++) {
        at++;
        if (field == 20)
            threads = atoll(at);
        if (field == 24)
            resident = atoll(at);
    }
    usage->processes += (uint64_t)threads;
    usage->resident = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

/* The bytes behind `key` in /proc/PID/smaps_rollup; 0 if it is not there. */
static uint64_t rolled_up(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

/* Its share of what it has in memory: what n processes have in common counts for an nth; pages of files, which can be
 * read again, do not count. False if it hides that. */
static bool read_share(int process, uint64_t *bytes)
{
    char text[2048];
    if (!read_small(process, "smaps_rollup", text, sizeof text))
        return false;
    *bytes = rolled_up(text, "\nPss_Anon:") + rolled_up(text, "\nPss_Shmem:") + rolled_up(text, "\nSwapPss:");
    return true;
}

/* Files that are open and have no name any more; those of the private file systems are counted there. */
static void add_nameless(int process, const struct spec *spec, struct usage *usage)
{
    int fds = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fds < 0 ? NULL : fdopendir(fds);
    for (struct dirent *entry; list && (entry = readdir(list)); ) {
        struct stat st, other;
        bool counted = *entry->d_name == '.' || fstatat(fds, entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
                       st.st_nlink;
        for (size_t i = 0; !counted && i < spec->mount_count; i++)
            counted = spec->mounts[i].private_fd >= 0 && !fstat(spec->mounts[i].private_fd, &other) &&
                      other.st_dev == st.st_dev;
        for (size_t i = 0; !counted && i < usage->nameless_count; i++)
            counted = usage->nameless[i].device == st.st_dev && usage->nameless[i].inode == st.st_ino;
        if (counted)
            continue;
        usage->written += (uint64_t)st.st_blocks * 512;
        if (usage->nameless_count < sizeof usage->nameless / sizeof *usage->nameless) {
            usage->nameless[usage->nameless_count].device = st.st_dev;
            usage->nameless[usage->nameless_count++].inode = st.st_ino;
        }
    }
    if (list)
        closedir(list);
    else if (fds >= 0)
        close(fds);
}

static void each_process(const struct spec *spec, struct usage *usage, enum counting how)
{
    int proc = openat(spec->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = proc < 0 ? NULL : fdopendir(proc);
    for (struct dirent *entry; list && (entry = readdir(list)); ) {
        if (*entry->d_name < '1' || *entry->d_name > '9' || !strcmp(entry->d_name, "1")) /* that is us */
            continue;
        int process = openat(proc, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
            continue;
        uint64_t share;
        if (how == COUNT_NAMELESS)
            add_nameless(process, spec, usage);
        else if (read_stat(process, usage))
            usage->memory += how == COUNT_SHARES && read_share(process, &share) ? share : usage->resident;
        close(process);
    }
    if (list)
        closedir(list);
}

/* What the file systems of the job's own hold; a name takes about a KiB of the kernel's. */
static uint64_t private_bytes(const struct spec *spec)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < spec->mount_count; i++) {
        struct statvfs st;
        if (spec->mounts[i].private_fd >= 0 && !fstatvfs(spec->mounts[i].private_fd, &st))
            bytes += (st.f_blocks - st.f_bfree) * st.f_frsize + (st.f_files - st.f_ffree) * 1024;
    }
    return bytes;
}

void usage_processes(const struct spec *spec, struct usage *usage, bool shares)
{
    usage->processes = 0;
    usage->memory = 0;
    usage->private = private_bytes(spec);
    each_process(spec, usage, shares ? COUNT_SHARES : COUNT_RESIDENT);
}

/* Add all beneath an open directory, which is closed. Stops when there is too much of anything. */
static void add_tree(int fd, int depth, const struct spec *spec, struct usage *usage)
{
    DIR *list = fdopendir(fd);
    if (!list) {
        close(fd);
        return;
    }
    usage->nested |= depth > MOST_NESTED;
    for (struct dirent *entry; !usage->nested && usage->files <= spec->most.files && (entry = readdir(list)); ) {
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        usage->files++;
        if (S_ISDIR(st.st_mode)) {
            int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0)
                add_tree(inner, depth + 1, spec, usage);
        } else {
            /* A file of several names is met as often. */
            usage->written += (uint64_t)st.st_blocks * 512 / (st.st_nlink ? st.st_nlink : 1);
        }
    }
    closedir(list);
}

void usage_files(const struct spec *spec, struct usage *usage)
{
    usage->files = usage->written = usage->nameless_count = 0;
    usage->nested = false;
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct mount *mount = &spec->mounts[i];
        int fd = mount->kind != MOUNT_OVERLAY || mount->readonly
                     ? -1
                     : openat(mount->upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
            add_tree(fd, 1, spec, usage);
    }
    each_process(spec, usage, COUNT_NAMELESS);
}
