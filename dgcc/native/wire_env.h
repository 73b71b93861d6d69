/* wire_env.h: the variables that travel between hook and client, and which programs may carry them.
 *
 * A driver (make, ninja) or a carrier (a shell, env, cmake: whatever may start a driver) is started with
 *     LD_PRELOAD=HOOK[:the user's own]  DGCC_SOCKET=the master's socket  DGCC_CLIENT=the client
 * and its hook takes them out of the environment before main() runs. The client gets DGCC_SOCKET, DGCC_CLIENT
 * and DGCC_HOOK, and the target in DGCC_TARGET, which make sets for each recipe because the hook adds
 * the argument `DGCC_TARGET=$@` to every make. No other program sees any of these, nor what make makes of that
 * argument in MAKEFLAGS and MAKEOVERRIDES.
 *
 * Everything here works on memory that the caller gives, so that it can run in the child of a vfork.
 */
#ifndef DGCC_WIRE_ENV_H
#define DGCC_WIRE_ENV_H

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define TARGET "DGCC_TARGET=$$@"
#define TARGET_WORD " " TARGET
#define NO_MORE_FLAGS " --"

/* What must be handed on for the hook to stay in the family, as environment entries. */
struct carried {
    char *socket;  /* DGCC_SOCKET=... */
    char *client;  /* DGCC_CLIENT=... */
    char *hook;    /* DGCC_HOOK=... */
};

/* The value in `entry` if it reads NAME=value, else NULL. */
static inline const char *env_value(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=' ? entry + length + 1 : NULL;
}

static inline char *env_entry(char *const *env, const char *name)
{
    for (; env && *env; env++)
        if (env_value(*env, name))
            return *env;
    return NULL;
}

static inline size_t env_count(char *const *env)
{
    size_t count = 0;
    while (env && env[count])
        count++;
    return count;
}

/* Where our word stands in a MAKEFLAGS entry or value, else NULL. */
static inline const char *target_word(const char *flags)
{
    size_t length = strlen(TARGET_WORD);
    for (const char *at = flags; (at = strstr(at, TARGET_WORD)) != NULL; at += length)
        if (at[length] == '\0' || at[length] == ' ')
            return at;
    return NULL;
}

/* Copy a MAKEFLAGS entry without our word, and without a `--` that only our word called for.
 * `to` has room for as much as `from`. */
static inline void makeflags_without_target(char *to, const char *from)
{
    const char *word = target_word(from);
    if (!word) {
        strcpy(to, from);
        return;
    }
    size_t before = (size_t)(word - from), tail = strlen(NO_MORE_FLAGS);
    memcpy(to, from, before);
    strcpy(to + before, word + strlen(TARGET_WORD));
    size_t length = strlen(to);
    if (length >= tail && strcmp(to + length - tail, NO_MORE_FLAGS) == 0)
        to[length - tail] = '\0';
}

/* Bytes that clean_environment() may need for the MAKEFLAGS of `env`. */
static inline size_t clean_room(char *const *env)
{
    const char *flags = env_entry(env, "MAKEFLAGS");
    return flags ? strlen(flags) + 1 : 1;
}

/* Bytes that clean_arguments() may need. */
static inline size_t arguments_room(char *const *argv)
{
    size_t room = 1;
    for (; argv && *argv; argv++)
        if (strstr(*argv, TARGET))
            room += strlen(*argv) + 1;
    return room;
}

/* The arguments as make would have made them without us, where a Makefile has written $(MAKEFLAGS) or
 * $(MAKEOVERRIDES) into a recipe: copy into `to` (as many pointers as `argv`, and NULL), with `room` for
 * arguments_room() bytes. Text goes on after our word, so a `--` before it stays only if more variables follow. */
static inline void clean_arguments(char **to, char *const *argv, char *room)
{
    for (; argv && *argv; argv++) {
        const char *word = strstr(*argv, TARGET), *from = *argv;
        *to++ = word ? room : *argv;
        if (!word)
            continue;
        for (; word; word = strstr(from, TARGET)) {
            size_t before = (size_t)(word - from), dashes = strlen(NO_MORE_FLAGS);
            const char *rest = word + strlen(TARGET);
            bool more = *rest == ' ' && rest[1 + strcspn(rest + 1, " =\"'")] == '=';
            if (before && word[-1] == ' ')
                before--;
            else if (*rest == ' ')
                rest++;
            if (!more && before >= dashes && memcmp(from + before - dashes, NO_MORE_FLAGS, dashes) == 0)
                before -= dashes;
            memcpy(room, from, before);
            room += before;
            from = rest;
        }
        strcpy(room, from);
        room += strlen(from) + 1;
    }
    *to = NULL;
}

/* The environment as make would have made it without us: copy into `to` (as many pointers as `env`, and NULL),
 * with `room` for clean_room() bytes. */
static inline void clean_environment(char **to, char *const *env, char *room)
{
    const char *flags = env_entry(env, "MAKEFLAGS");
    bool ours = flags && target_word(flags);
    bool alone = false; /* our word was the only variable, so plain make would have no MAKEOVERRIDES */
    if (ours) {
        makeflags_without_target(room, flags);
        alone = strstr(room, NO_MORE_FLAGS " ") == NULL;
    }
    for (; env && *env; env++) {
        const char *value;
        if (env_value(*env, "DGCC_SOCKET") || env_value(*env, "DGCC_CLIENT") || env_value(*env, "DGCC_HOOK")
            || env_value(*env, "DGCC_TARGET"))
            continue;
        if (alone && (value = env_value(*env, "MAKEOVERRIDES")) != NULL
            && (strcmp(value, "${-*-command-variables-*-}") == 0 || strcmp(value, TARGET) == 0))
            continue;
        *to++ = ours && *env == flags ? room : *env;
    }
    *to = NULL;
}

/* Bytes that carry_environment() may need for LD_PRELOAD. */
static inline size_t carry_room(char *const *env, const struct carried *with)
{
    const char *preload = env_entry(env, "LD_PRELOAD");
    return strlen("LD_PRELOAD=:") + strlen(with->hook) + (preload ? strlen(preload) : 0) + 1;
}

/* The environment for a driver or carrier: copy into `to` (three pointers more than `env`, and NULL), with `room`
 * for carry_room() bytes. The user's own LD_PRELOAD stays, behind ours. */
static inline void carry_environment(char **to, char *const *env, const struct carried *with, char *room)
{
    const char *preload = env_entry(env, "LD_PRELOAD");
    strcpy(room, "LD_PRELOAD=");
    strcat(room, with->hook + strlen("DGCC_HOOK="));
    if (preload) {
        strcat(room, ":");
        strcat(room, env_value(preload, "LD_PRELOAD"));
    }
    *to++ = room;
    *to++ = with->socket;
    *to++ = with->client;
    for (; env && *env; env++)
        if (!env_value(*env, "LD_PRELOAD"))
            *to++ = *env;
    *to = NULL;
}

static inline const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static inline bool listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* Whether a program of this name runs recipes, so that the hook acts in it. */
static inline bool driver_name(const char *name)
{
    static const char *const make_names[] = {"make", "gmake", "ninja", "ninja-build", NULL};
    return listed(name, make_names);
}

/* Whether a program of this name may start a driver by itself. */
static inline bool carrier_name(const char *name)
{
    static const char *const names[] = {
        "sh", "dash", "bash", "rbash", "ksh", "ksh93", "mksh", "zsh", "ash", "busybox",
        "env", "nice", "nohup", "time", "timeout", "xargs", "find", "setsid", "stdbuf", "ionice", "chrt", "taskset",
        "flock", "setarch", "unshare", "setpriv", "cmake", "cmake3", "ctest", "cpack", NULL};
    return driver_name(name) || listed(name, names) || strncmp(name, "python", 6) == 0
        || strncmp(name, "perl", 4) == 0;
}

/* The same for a file: a script is what its interpreter is. */
static inline bool carrier_file(const char *path)
{
    if (carrier_name(last_part(path)))
        return true;
    char start[256];
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return false;
    ssize_t got = read(file, start, sizeof start - 1);
    close(file);
    if (got < 3 || start[0] != '#' || start[1] != '!')
        return false;
    start[got] = '\0';
    char *name = start + 2 + strspn(start + 2, " \t");
    name[strcspn(name, " \t\n")] = '\0';
    return carrier_name(last_part(name));
}

#endif
