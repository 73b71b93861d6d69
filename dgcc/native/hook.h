/* hook.h: what the parts of the hook share: where this process stands, and the functions it stands before. */
#ifndef DGCC_HOOK_H
#define DGCC_HOOK_H

#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>

#include "wire_env.h"

#define EXPORT __attribute__((visibility("default")))

enum role {
    INERT,   /* not ours: every call passes through */
    CARRIER, /* starts drivers, perhaps: hands the hook on to them and to carriers, hides it from the rest */
    MAKE,    /* a driver: every recipe becomes a client */
    NINJA,
};

/* Written by the constructor alone, so that the child of a vfork may read it. */
extern struct hook {
    enum role role;
    pid_t pid;            /* of the process itself: another one in here is its fork or vfork */
    struct carried carry;
    const char *socket;   /* the values in `carry` */
    const char *client;
} hook;

/* The function of libc (or of another preloaded library) behind ours. Found before main(), because looking up
 * a symbol in the child of a vfork would not be safe. */
extern struct real {
    int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                       char *const[], char *const[]);
    int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                        char *const[], char *const[]);
    int (*file_actions_init)(posix_spawn_file_actions_t *);
    int (*file_actions_adddup2)(posix_spawn_file_actions_t *, int, int);
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    pid_t (*wait4)(pid_t, int *, int, void *);
    int (*waitid)(int, id_t, void *, int);
} real;

/* Fill `real`, if that was not done yet. */
void hook_find_real(void);

/* Find what would be executed: `file` itself, or where PATH has it when `search` is set. False if nothing would. */
bool hook_resolve(const char *file, bool search, char found[PATH_MAX]);

/* Whether descriptor `fd` is a pipe that is not this driver's own stdout: how make takes in $(shell). */
bool hook_captures(int fd);

#endif
