/* Reads the spec of a jail: NUL-terminated keys and values, described in jail.h. */
#include "jail.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SPEC = 64 << 20 }; /* bytes; an environment and argv of the kernel's own limits fit many times */

static void *grown(void *array, size_t count, size_t size)
{
    /* Capacity doubles at each power of two, so only then is there something to do. */
    if (count & (count - 1))
        return array;
    array = realloc(array, (count ? 2 * count : 1) * size);
    if (!array)
        fail("out of memory while reading the spec", NULL, 0, NULL);
    return array;
}

static char *read_all(int fd, size_t *length)
{
    static const char end[] = "\0end\0"; /* the literal's own NUL closes the record */
    size_t size = 1 << 16, used = 0;
    char *data = malloc(size);
    for (;;) {
        if (!data)
            fail("out of memory while reading the spec", NULL, 0, NULL);
        ssize_t got = read(fd, data + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail("cannot read the spec", NULL, errno, NULL);
        if (got == 0)
            fail("the spec ended without its `end` record", NULL, 0, NULL);
        used += (size_t)got;
        if (used >= sizeof end && !memcmp(data + used - sizeof end, end, sizeof end)) {
            *length = used;
            return data;
        }
        if (used > MAX_SPEC)
            fail("the spec is over 64 MiB", NULL, 0, NULL);
        if (used == size)
            data = realloc(data, size *= 2);
    }
}

static unsigned long number(const char *key, const char *value, int base)
{
    char *end;
    errno = 0;
    unsigned long result = strtoul(value, &end, base);
    if (errno || *end || !*value || *value == '-' || result > 0xFFFFFFFEUL)
        fail("the spec has no valid number for", key, 0, NULL);
    return result;
}

/* Check that `path` is absolute and normalised, and return it. */
static const char *path(const char *value)
{
    if (*value != '/')
        fail("the spec has a path that is not absolute:", value, 0, NULL);
    if (strlen(value) >= PATH_MAX)
        fail("the spec has a path that is longer than the system takes:", value, 0, NULL);
    for (const char *part = value; part[1]; ) {
        size_t length = strcspn(++part, "/");
        if (!length || (length == 1 && *part == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
            fail("the spec has a path that is not normalised:", value, 0, NULL);
        part += length;
        if (!*part)
            break;
        if (!part[1])
            fail("the spec has a path that is not normalised:", value, 0, NULL);
    }
    return value;
}

static struct mount *add_mount(struct spec *spec, enum mount_kind kind, const char *where)
{
    spec->mounts = grown(spec->mounts, spec->mount_count, sizeof *spec->mounts);
    struct mount *mount = &spec->mounts[spec->mount_count++];
    *mount = (struct mount){.kind = kind, .path = path(where), .tmpfs_mode = "1777",
                            .private_fd = -1};
    for (const char *p = where; where[1] && *p; p++)
        mount->depth += *p == '/';
    return mount;
}

static void add_from(struct mount *mount, const char *host)
{
    mount->from = grown(mount->from, mount->from_count, sizeof *mount->from);
    mount->from[mount->from_count++] = path(host);
}

static void add_limit(struct spec *spec, const char *value)
{
    static const struct { const char *name; int resource; } names[] = {
        {"as", RLIMIT_AS},         {"core", RLIMIT_CORE},     {"cpu", RLIMIT_CPU},     {"data", RLIMIT_DATA},
        {"fsize", RLIMIT_FSIZE},   {"memlock", RLIMIT_MEMLOCK}, {"nofile", RLIMIT_NOFILE},
        {"nproc", RLIMIT_NPROC},   {"stack", RLIMIT_STACK},
    };
    size_t length = strcspn(value, "=");
    for (size_t i = 0; i < sizeof names / sizeof *names && value[length]; i++) {
        if (strlen(names[i].name) != length || strncmp(names[i].name, value, length))
            continue;
        const char *text = value + length + 1;
        char *end;
        rlim_t amount = strcmp(text, "unlimited") ? strtoull(text, &end, 10) : RLIM_INFINITY;
        if (amount != RLIM_INFINITY && (*end || !*text || *text == '-'))
            break;
        spec->limits = grown(spec->limits, spec->limit_count, sizeof *spec->limits);
        spec->limits[spec->limit_count++] = (struct limit){names[i].resource, amount};
        return;
    }
    fail("the spec has a limit that is not NAME=NUMBER with a known name:", value, 0, NULL);
}

static void add_most(struct spec *spec, const char *value)
{
    const struct { const char *name; uint64_t *amount; } names[] = {
        {"memory=", &spec->most.memory},           {"output=", &spec->most.output},
        {"files=", &spec->most.files},             {"processes=", &spec->most.processes},
        {"memory_left=", &spec->most.memory_left}, {"scratch_left=", &spec->most.scratch_left},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i].name);
        char *end;
        if (strncmp(names[i].name, value, length) || value[length] < '0' || value[length] > '9')
            continue;
        *names[i].amount = strtoull(value + length, &end, 10);
        spec->watched = true;
        if (!*end)
            return;
    }
    fail("the spec has a limit that is not NAME=NUMBER with a known name:", value, 0, NULL);
}

static void add_string(char ***list, size_t *count, char *value)
{
    *list = grown(*list, *count, sizeof **list);
    (*list)[(*count)++] = value;
}

static void take(struct spec *spec, const char *key, char *value, struct mount **last, size_t *argc, size_t *envc)
{
    struct mount *at = *last;
    if (!strcmp(key, "arg"))
        add_string(&spec->argv, argc, value);
    else if (!strcmp(key, "env"))
        add_string(&spec->env, envc, value);
    else if (!strcmp(key, "scratch"))
        spec->scratch = path(value);
    else if (!strcmp(key, "cgroup"))
        spec->cgroup = path(value);
    else if (!strcmp(key, "cwd"))
        spec->cwd = path(value);
    else if (!strcmp(key, "program"))
        spec->program = value;
    else if (!strcmp(key, "self-test"))
        spec->self_test = *value == '1';
    else if (!strcmp(key, "hostname"))
        spec->hostname = value;
    else if (!strcmp(key, "inside_uid"))
        spec->inside_uid = (uid_t)number(key, value, 10);
    else if (!strcmp(key, "inside_gid"))
        spec->inside_gid = (gid_t)number(key, value, 10);
    else if (!strcmp(key, "outside_uid"))
        spec->outside_uid = (uid_t)number(key, value, 10);
    else if (!strcmp(key, "outside_gid"))
        spec->outside_gid = (gid_t)number(key, value, 10);
    else if (!strcmp(key, "umask"))
        spec->umask = (mode_t)number(key, value, 8) & 0777;
    else if (!strcmp(key, "rlimit"))
        add_limit(spec, value);
    else if (!strcmp(key, "limit"))
        add_most(spec, value);
    else if (!strcmp(key, "mode") && (!strcmp(value, "jail") || !strcmp(value, "host-root")))
        spec->host_root = *value == 'h';
    else if (!strcmp(key, "bind"))
        *last = add_mount(spec, MOUNT_BIND, value);
    else if (!strcmp(key, "tmpfs"))
        *last = add_mount(spec, MOUNT_TMPFS, value);
    else if (!strcmp(key, "overlay"))
        *last = add_mount(spec, MOUNT_OVERLAY, value);
    else if (!strcmp(key, "from") && at && at->kind == MOUNT_BIND && !at->from_count)
        add_from(at, value);
    else if (!strcmp(key, "optional") && at && at->kind == MOUNT_BIND)
        at->optional = *value == '1';
    else if (!strcmp(key, "lower") && at && at->kind == MOUNT_OVERLAY)
        add_from(at, value);
    else if (!strcmp(key, "readonly") && at && at->kind == MOUNT_OVERLAY)
        at->readonly = *value == '1';
    else
        fail("the spec has a key or value that this version does not know, or out of place:", key, 0,
             "use a dgcc-jail of the same version as its caller");
}

/* The mounts that every root has; in host-root mode only where the host has such a directory to mount on. */
static void add_own_mounts(struct spec *spec)
{
    static const struct { enum mount_kind kind; const char *path, *mode; } own[] = {
        {MOUNT_PROC, "/proc", NULL},         {MOUNT_DEV, "/dev", "755"},         {MOUNT_TMPFS, "/dev/shm", "1777"},
        {MOUNT_TMPFS, "/tmp", "1777"},       {MOUNT_TMPFS, "/var/tmp", "1777"},
    };
    if (spec->host_root)
        add_from(add_mount(spec, MOUNT_BIND, "/"), "/");
    else
        add_mount(spec, MOUNT_TMPFS, "/")->tmpfs_mode = "755";
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct stat st;
        if (spec->host_root && (own[i].kind == MOUNT_DEV || lstat(own[i].path, &st) || !S_ISDIR(st.st_mode)))
            continue;
        add_mount(spec, own[i].kind, own[i].path)->tmpfs_mode = own[i].mode;
    }
}

static void sort_mounts(struct spec *spec)
{
    for (size_t i = 1; i < spec->mount_count; i++) { /* insertion: stable, and the list is short */
        struct mount moved = spec->mounts[i];
        size_t j = i;
        for (; j && spec->mounts[j - 1].depth > moved.depth; j--)
            spec->mounts[j] = spec->mounts[j - 1];
        spec->mounts[j] = moved;
    }
}

static void check(struct spec *spec, size_t argc)
{
    int overlays = 0;
    if (!spec->scratch || !spec->cwd || !spec->program || !argc)
        fail("the spec lacks scratch, cwd, program or arg", NULL, 0, NULL);
    for (size_t i = 0; i < spec->mount_count; i++) {
        struct mount *mount = &spec->mounts[i];
        if ((mount->kind == MOUNT_BIND || mount->kind == MOUNT_OVERLAY) && !mount->from_count)
            fail("the spec has a mount without `from` or `lower`:", mount->path, 0, NULL);
        if (i && !mount->depth)
            fail("the spec has a mount at", "/", 0, "mount on the directories beneath it");
        if (mount->kind == MOUNT_OVERLAY)
            mount->index = overlays++;
    }
}

void spec_read(struct spec *spec, int fd)
{
    size_t length, argc = 0, envc = 0;
    char *data = read_all(fd, &length);
    struct mount *last = NULL;

    *spec = (struct spec){.outside_uid = 65534, .outside_gid = 65534, .umask = 022, .proc_fd = -1,
                          .most = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0},
                          .result_fd = spec->result_fd};
    /* Whether the root is the host's decides which mounts come first, so look ahead for it. */
    for (char *key = data; key < data + length && strcmp(key, "end"); ) {
        char *value = key + strlen(key) + 1;
        if (value >= data + length)
            break;
        if (!strcmp(key, "mode"))
            spec->host_root = !strcmp(value, "host-root");
        key = value + strlen(value) + 1;
    }
    add_own_mounts(spec);
    for (char *key = data; key < data + length && strcmp(key, "end"); ) {
        char *value = key + strlen(key) + 1;
        if (value >= data + length)
            fail("the spec has a key without a value:", key, 0, NULL);
        take(spec, key, value, &last, &argc, &envc);
        key = value + strlen(value) + 1;
    }
    add_string(&spec->argv, &argc, NULL);
    add_string(&spec->env, &envc, NULL);
    check(spec, argc - 1);
    sort_mounts(spec);
}
