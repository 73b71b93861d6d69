/* hook_spawn.c: the ways in which a process starts another: in a driver, a recipe becomes a client.
 *
 * What this file does between vfork and exec is done with memory on the stack only.
 */
#define _GNU_SOURCE
#include "hook.h"

#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

typedef posix_spawn_file_actions_t actions_t;
typedef posix_spawnattr_t attributes_t;

/* How a program is to be started: posix_spawn where `pid` is set, else exec. */
struct start {
    pid_t *pid;
    const actions_t *actions;
    const attributes_t *attributes;
    bool search;
};

/* The file actions which make prepares for a $(shell): it runs one at a time. */
static const actions_t *capturing;

static int start_program(const struct start *how, const char *file, char *const argv[], char *const env[])
{
    if (how->actions || how->attributes || how->pid) {
        int (*spawn)(pid_t *, const char *, const actions_t *, const attributes_t *, char *const[], char *const[])
            = how->search ? real.posix_spawnp : real.posix_spawn;
        return spawn(how->pid, file, how->actions, how->attributes, argv, env);
    }
    (how->search ? real.execvpe : real.execve)(file, argv, env);
    return errno;
}

static int start_clean(const struct start *how, const char *file, char *const argv[], char *const env[])
{
    char **clean = alloca((env_count(env) + 1) * sizeof *clean);
    char *room = alloca(clean_room(env));
    clean_environment(clean, env, room);
    if (!argv)
        return start_program(how, file, argv, clean);
    char **plain = alloca((env_count(argv) + 1) * sizeof *plain);
    char *text = alloca(arguments_room(argv));
    clean_arguments(plain, argv, text);
    return start_program(how, file, plain, clean);
}

static int start_carried(const struct start *how, const char *file, char *const argv[], char *const env[])
{
    char **carried = alloca((env_count(env) + 4) * sizeof *carried);
    char *room = alloca(carry_room(env, &hook.carry));
    carry_environment(carried, env, &hook.carry, room);
    return start_program(how, file, argv, carried);
}

static int start_client(const struct start *how, const char *found, char *const argv[], char *const env[])
{
    size_t arguments = env_count(argv), variables = env_count(env);
    char **more = alloca((arguments + 3) * sizeof *more);
    more[0] = (char *)hook.client;
    more[1] = (char *)found;
    memcpy(more + 2, argv, (arguments + 1) * sizeof *more);
    char **wider = alloca((variables + 4) * sizeof *wider);
    wider[0] = hook.carry.socket;
    wider[1] = hook.carry.client;
    wider[2] = hook.carry.hook;
    if (variables)
        memcpy(wider + 3, env, variables * sizeof *wider);
    wider[variables + 3] = NULL;
    struct start direct = *how;
    direct.search = false;
    return start_program(&direct, hook.client, more, wider);
}

/* Start a program as befits the role of this process. `captured`: make reads its output for $(shell).
 * Answers an error number, as posix_spawn does. */
static int start_as_role(const struct start *how, const char *file, char *const argv[], char *const env[],
                         bool captured)
{
    char found[PATH_MAX];
    if (hook.role == CARRIER) {
        /* With the master's socket gone there is nobody to carry the hook for. */
        if (hook_resolve(file, how->search, found) && carrier_file(found) && access(hook.socket, F_OK) == 0)
            return start_carried(how, file, argv, env);
        return start_program(how, file, argv, env);
    }
    /* A command that cannot be found is left to the driver, which has its own words for that. */
    if (!captured && argv && argv[0] && hook_resolve(file, how->search, found)) {
        int error = start_client(how, found, argv, env);
        if (error == 0)
            return 0;
        /* No client, or the arguments are now too long: as if we were not here. */
    }
    return start_clean(how, file, argv, env);
}

static int spawn(pid_t *pid, const char *file, const actions_t *actions, const attributes_t *attributes,
                 char *const argv[], char *const env[], bool search)
{
    hook_find_real();
    pid_t unasked;
    struct start how = {pid ? pid : &unasked, actions, attributes, search};
    if (hook.role == INERT)
        return start_program(&how, file, argv, env);
    int error = errno;
    int result = start_as_role(&how, file, argv, env,
                               hook.role == MAKE && actions != NULL && actions == capturing);
    errno = error;
    return result;
}

static int exec(const char *file, char *const argv[], char *const env[], bool search)
{
    hook_find_real();
    struct start how = {.search = search};
    int error;
    if (hook.role == INERT)
        error = start_program(&how, file, argv, env);
    else if (hook.role != CARRIER && getpid() == hook.pid)
        error = start_carried(&how, file, argv, env); /* make starts itself again after it remade a makefile */
    else
        error = start_as_role(&how, file, argv, env, hook.role == MAKE && hook_captures(STDOUT_FILENO));
    errno = error;
    return -1;
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const actions_t *actions, const attributes_t *attributes,
                       char *const argv[], char *const env[])
{
    return spawn(pid, path, actions, attributes, argv, env, false);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const actions_t *actions, const attributes_t *attributes,
                        char *const argv[], char *const env[])
{
    return spawn(pid, file, actions, attributes, argv, env, true);
}

EXPORT int posix_spawn_file_actions_init(actions_t *actions)
{
    hook_find_real();
    if (capturing == actions)
        capturing = NULL;
    return real.file_actions_init(actions);
}

EXPORT int posix_spawn_file_actions_adddup2(actions_t *actions, int from, int to)
{
    hook_find_real();
    if (hook.role == MAKE && to == STDOUT_FILENO) {
        int error = errno;
        if (hook_captures(from))
            capturing = actions;
        errno = error;
    }
    return real.file_actions_adddup2(actions, from, to);
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
    return exec(path, argv, env, false);
}

EXPORT int execv(const char *path, char *const argv[])
{
    return exec(path, argv, environ, false);
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return exec(file, argv, environ, true);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
    return exec(file, argv, env, true);
}

/* Gather the arguments of execl and its kin, and go on to `exec`. */
#define EXEC_LIST(file, first, search, environment)                     \
    do {                                                                \
        va_list list;                                                   \
        size_t count = 1;                                               \
        va_start(list, first);                                          \
        while (va_arg(list, char *))                                    \
            count++;                                                    \
        va_end(list);                                                   \
        char **argv = alloca((count + 1) * sizeof *argv);               \
        argv[0] = (char *)first;                                        \
        va_start(list, first);                                          \
        for (size_t i = 1; i <= count; i++)                             \
            argv[i] = va_arg(list, char *);                             \
        char *const *env = environment;                                 \
        va_end(list);                                                   \
        return exec(file, argv, env, search);                           \
    } while (0)

EXPORT int execl(const char *path, const char *first, ...)
{
    EXEC_LIST(path, first, false, environ);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    EXEC_LIST(file, first, true, environ);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    EXEC_LIST(path, first, false, va_arg(list, char *const *));
}
