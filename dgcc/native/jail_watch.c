/* Looks again and again at what a job uses, and says when it is too much. What is cheap to ask is asked each time:
 * what is resident, what the private directories hold, what the host has left. The rest is counted when that could have
 * passed its limit, and now and then. Memory that no process has mapped, such as a shared mapping that was touched and
 * let go, is seen by what the host has left alone. */
#include "jail.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { REST = 20 }; /* counting may take a twentieth of the time */

static uint64_t oom_kills;          /* of the host, when the job began */
static uint64_t space, names;       /* free where scratch is, when files were last counted */
static uint64_t files_due, memory_due; /* when it is time to count, in microseconds of the monotonic clock */
static unsigned short_looks;        /* how often in a row the host was short of memory */
static bool in_memory;              /* so is what the job writes */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The number behind `key` in a file of /proc, or `otherwise`. */
static uint64_t number_in(const struct spec *spec, const char *file, const char *key, uint64_t otherwise)
{
    char text[16384];
    int fd = openat(spec->proc_fd, file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    const char *at = strstr(text, key);
    unsigned long long found;
    return at && sscanf(at + strlen(key), "%llu", &found) == 1 ? found : otherwise;
}

static uint64_t count_kills(const struct spec *spec)
{
    return number_in(spec, "vmstat", "\noom_kill ", 0);
}

/* What is free where scratch is. False if it is too little. */
static bool scratch_room(const struct spec *spec, uint64_t *bytes, uint64_t *files)
{
    struct statvfs st = {0};
    if (fstatvfs(spec->scratch_fd, &st) < 0)
        return true;
    *bytes = st.f_bavail * st.f_frsize;
    *files = st.f_favail;
    return *bytes >= spec->most.scratch_left;
}

void watch_begin(const struct spec *spec)
{
    if (!spec->watched)
        return;
    struct statfs st;
    in_memory = !fstatfs(spec->scratch_fd, &st) && st.f_type == TMPFS_MAGIC;
    oom_kills = count_kills(spec);
    scratch_room(spec, &space, &names);
}

/* True if an eighth of `limit` has gone, of what there was of something. */
static bool shrunk(uint64_t before, uint64_t now, uint64_t limit)
{
    return before > now && before - now > limit / 8;
}

static const char *look_at_files(const struct spec *spec, struct usage *usage)
{
    uint64_t start = now_us(), bytes = 0, files = 0;
    uint64_t most = in_memory && spec->most.memory < spec->most.output ? spec->most.memory : spec->most.output;
    if (!scratch_room(spec, &bytes, &files))
        return "scratch_left";
    if (start < files_due && !shrunk(space, bytes, most) && !shrunk(names, files, spec->most.files))
        return NULL;
    usage_files(spec, usage);
    uint64_t took = now_us() - start;
    files_due = start + (took * REST > 1000000 ? took * REST : 1000000);
    space = bytes;
    names = files;
    return usage->written > spec->most.output ? "output"
           : usage->files > spec->most.files  ? "files"
           : usage->nested                    ? "nested"
                                              : NULL;
}

/* The host is short of memory: whoever uses much goes at once, the others if that does not help. */
static bool too_short(const struct spec *spec, const struct usage *usage)
{
    uint64_t left = number_in(spec, "meminfo", "\nMemAvailable:", UINT64_MAX / 4096);
    left = (left + number_in(spec, "meminfo", "\nSwapFree:", 0)) * 1024;
    if (left >= spec->most.memory_left) {
        short_looks = 0;
        return false;
    }
    return ++short_looks > 5 || usage->memory > spec->most.memory / 4;
}

const char *watch_look(const struct spec *spec)
{
    static struct usage usage;
    uint64_t start = now_us();
    usage_processes(spec, &usage, false);
    uint64_t beside = usage.private + (in_memory ? usage.written : 0); /* what no process need have mapped */
    if (usage.processes > spec->most.processes)
        return "processes";
    if (usage.private > spec->most.output)
        return "output";
    if (beside > spec->most.memory)
        return "memory";
    if (usage.memory > spec->most.memory - beside && start >= memory_due) {
        usage_processes(spec, &usage, true); /* what processes share was counted for each */
        if (usage.memory > spec->most.memory - beside)
            return "memory";
        memory_due = start + (now_us() - start) * REST;
    }
    if (too_short(spec, &usage))
        return "memory_left";
    return look_at_files(spec, &usage);
}

const char *watch_end(const struct spec *spec, bool failed)
{
    static struct usage usage;
    if (!spec->watched)
        return NULL;
    usage_processes(spec, &usage, false);
    return usage.private > spec->most.memory  ? "memory"
           : usage.private > spec->most.output ? "output"
           : failed && count_kills(spec) != oom_kills ? "killed"
                                                      : NULL;
}
