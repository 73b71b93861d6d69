/* client_run.c: how the client runs the original command, and how it ends as that did. */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
enum { PASSED_ON = sizeof passed_on / sizeof *passed_on };

static pid_t child;

/* The hook's variables for a program that may start a driver, the plain environment for any other. */
static char **environment_for(const struct original *command)
{
    const struct carried *with = &command->carry;
    if (!with->socket || !with->client || !with->hook || !carrier_file(command->program))
        return command->env;
    char **env = malloc((env_count(command->env) + 4) * sizeof *env);
    char *room = malloc(carry_room(command->env, with));
    if (!env || !room)
        return command->env;
    carry_environment(env, command->env, with, room);
    return env;
}

void run_in_place(const struct original *command)
{
    execve(command->program, command->argv, environment_for(command));
    if (errno == ENOEXEC) { /* a script without #!: make gives it to the shell */
        struct original script = *command;
        size_t count = env_count(command->argv);
        char **argv = malloc((count + 2) * sizeof *argv);
        if (argv) {
            argv[0] = script.program = (char *)"/bin/sh";
            argv[1] = command->program;
            memcpy(argv + 2, command->argv + 1, count * sizeof *argv);
            execve(script.program, argv, environment_for(&script));
        }
    }
    int error = errno;
    fprintf(stderr, "dgcc-client: %s: %s\n", command->program, strerror(error));
    _exit(error == ENOENT ? 127 : 126);
}

/* What a process sends to this client, make's SIGTERM above all, is meant for the command. What the terminal
 * sends went to the command as well. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    if (info->si_code <= 0)
        kill(child, number);
    errno = error;
}

int run_as_child(const struct original *command)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t parent = getpid();
    child = fork();
    if (child < 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        run_in_place(command);
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        sigprocmask(SIG_SETMASK, &before, NULL);
        run_in_place(command);
    }
    for (int i = 0; i < PASSED_ON; i++) {
        struct sigaction is, passing = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
        if (sigaction(passed_on[i], NULL, &is) == 0 && is.sa_handler != SIG_IGN)
            sigaction(passed_on[i], &passing, NULL);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    int status = status_of_exit(127);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

void end_with(int wait_status)
{
    if (!WIFSIGNALED(wait_status))
        _exit(WEXITSTATUS(wait_status));
    int number = WTERMSIG(wait_status);
    /* The command has dumped its core, if any; one of the client would only mislead. */
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), number);
    _exit(128 + number);
}
