/* hook.c: the library preloaded into build drivers: finds its role in this process and hides itself.
 *
 * It must never change what a driver does: whatever fails in here, the original call is made instead. The
 * constructor edits `environ` by hand, because a shell may bring its own setenv() which is not ready yet.
 */
#define _GNU_SOURCE
#include "hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define HOOK_FILE "libdgcc-hook.so"

struct hook hook;
struct real real;

static struct stat own_stdout; /* as it was at start */

void hook_find_real(void)
{
    if (real.waitid)
        return;
    real.posix_spawn = dlsym(RTLD_NEXT, "posix_spawn");
    real.posix_spawnp = dlsym(RTLD_NEXT, "posix_spawnp");
    real.file_actions_init = dlsym(RTLD_NEXT, "posix_spawn_file_actions_init");
    real.file_actions_adddup2 = dlsym(RTLD_NEXT, "posix_spawn_file_actions_adddup2");
    real.execve = dlsym(RTLD_NEXT, "execve");
    real.execvpe = dlsym(RTLD_NEXT, "execvpe");
    real.wait4 = dlsym(RTLD_NEXT, "wait4");
    real.waitid = dlsym(RTLD_NEXT, "waitid");
}

/* Whether a file can be executed, as far as that can be told: a directory has the same permission bit. */
static bool executable(const char *path)
{
    struct stat what;
    return access(path, X_OK) == 0 && stat(path, &what) == 0 && S_ISREG(what.st_mode);
}

bool hook_resolve(const char *file, bool search, char found[PATH_MAX])
{
    size_t name = strlen(file);
    if (!search || strchr(file, '/')) {
        if (name >= PATH_MAX || !executable(file))
            return false;
        memcpy(found, file, name + 1);
        return true;
    }
    const char *entry = env_entry(environ, "PATH");
    const char *path = entry ? env_value(entry, "PATH") : "/bin:/usr/bin";
    for (;; path++) {
        size_t length = strcspn(path, ":");
        if (length + name + 2 <= PATH_MAX) {
            char *to = found;
            if (length) {
                memcpy(to, path, length);
                to[length] = '/';
                to += length + 1;
            }
            memcpy(to, file, name + 1);
            if (executable(found))
                return true;
        }
        path += length;
        if (!*path)
            return false;
    }
}

bool hook_captures(int fd)
{
    struct stat what;
    return fstat(fd, &what) == 0 && S_ISFIFO(what.st_mode)
        && (what.st_dev != own_stdout.st_dev || what.st_ino != own_stdout.st_ino);
}

static enum role role_here(void)
{
    char path[PATH_MAX];
    const char *names[2] = {program_invocation_short_name, NULL};
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        names[1] = last_part(path);
    }
    for (int i = 0; i < 2; i++)
        if (names[i] && driver_name(names[i]))
            return strncmp(names[i], "ninja", 5) == 0 ? NINJA : MAKE;
    return CARRIER;
}

/* "NAME=" and `length` bytes of value in memory of our own: some programs overwrite their first environment. */
static char *entry_of(const char *name, const char *value, size_t length)
{
    size_t before = strlen(name);
    char *entry = malloc(before + 1 + length + 1);
    if (entry) {
        memcpy(entry, name, before);
        entry[before] = '=';
        memcpy(entry + before + 1, value, length);
        entry[before + 1 + length] = '\0';
    }
    return entry;
}

static void remove_entry(const char *name)
{
    char **to = environ;
    for (char **from = environ; *from; from++)
        if (!env_value(*from, name))
            *to++ = *from;
    *to = NULL;
}

/* Take our file out of LD_PRELOAD, leaving the user's value to the byte; its path goes to carry.hook. */
static bool leave_preload(void)
{
    char **at = environ;
    while (*at && !env_value(*at, "LD_PRELOAD"))
        at++;
    if (!*at)
        return false;
    const char *value = env_value(*at, "LD_PRELOAD");
    for (const char *word = value; *word;) {
        size_t length = strcspn(word, ": "), name = strlen(HOOK_FILE);
        if (length >= name && strncmp(word + length - name, HOOK_FILE, name) == 0) {
            hook.carry.hook = entry_of("DGCC_HOOK", word, length);
            const char *rest = word + length;
            if (word == value && !*rest) {
                remove_entry("LD_PRELOAD");
                return hook.carry.hook != NULL;
            }
            if (*rest)
                rest++; /* the separator that came with us */
            size_t before = (size_t)(word - value), after = strlen(rest);
            char *left = malloc(strlen("LD_PRELOAD=") + before + after + 1);
            if (!left)
                return false;
            strcpy(left, "LD_PRELOAD=");
            memcpy(left + strlen("LD_PRELOAD="), value, before);
            strcpy(left + strlen("LD_PRELOAD=") + before, rest);
            *at = left;
            return hook.carry.hook != NULL;
        }
        word += length;
        word += *word != '\0';
    }
    return false;
}

static __attribute__((constructor)) void start(void)
{
    int error = errno;
    hook_find_real();
    const char *socket = env_entry(environ, "DGCC_SOCKET"), *client = env_entry(environ, "DGCC_CLIENT");
    if (socket && client && leave_preload()) {
        hook.carry.socket = strdup(socket);
        hook.carry.client = strdup(client);
        if (hook.carry.socket && hook.carry.client) {
            hook.socket = env_value(hook.carry.socket, "DGCC_SOCKET");
            hook.client = env_value(hook.carry.client, "DGCC_CLIENT");
            hook.pid = getpid();
            hook.role = role_here();
            fstat(STDOUT_FILENO, &own_stdout);
        }
        remove_entry("DGCC_SOCKET");
        remove_entry("DGCC_CLIENT");
    }
    errno = error;
}
