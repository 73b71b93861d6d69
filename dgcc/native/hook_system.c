/* hook_system.c: system() in a carrier, as scripts use it to run a make: through our posix_spawn, which libc's own
 * does not go through.
 */
#define _GNU_SOURCE
#include "hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* Calls under way: the first one saves the dispositions of SIGINT and SIGQUIT, the last one restores them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned running;
static struct sigaction interrupt, quit;

static void ignore_keys(void)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    pthread_mutex_lock(&lock);
    if (running++ == 0) {
        sigaction(SIGINT, &ignored, &interrupt);
        sigaction(SIGQUIT, &ignored, &quit);
    }
    pthread_mutex_unlock(&lock);
}

static void heed_keys(void)
{
    pthread_mutex_lock(&lock);
    if (--running == 0) {
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGQUIT, &quit, NULL);
    }
    pthread_mutex_unlock(&lock);
}

EXPORT int system(const char *command)
{
    if (hook.role != CARRIER || !command) {
        int (*libc_system)(const char *) = dlsym(RTLD_NEXT, "system");
        return libc_system(command);
    }
    ignore_keys();
    sigset_t child, before, reset;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, &before);
    sigemptyset(&reset);
    if (interrupt.sa_handler != SIG_IGN)
        sigaddset(&reset, SIGINT);
    if (quit.sa_handler != SIG_IGN)
        sigaddset(&reset, SIGQUIT);

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &before);
    posix_spawnattr_setsigdefault(&attributes, &reset);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    char *argv[] = {"sh", "-c", (char *)command, NULL};
    pid_t pid;
    int status = 127 << 8, error = posix_spawn(&pid, "/bin/sh", NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (error == 0)
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR) {
                status = -1;
                break;
            }
    heed_keys();
    error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return status;
}
