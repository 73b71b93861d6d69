/* client.c: dgcc-client, started by the hook in place of a recipe: asks the master what to do, and does it.
 *
 *     dgcc-client PROGRAM ARGV0 [ARGV1 ...]
 *
 * It must not stand in the way: without a master the recipe runs as if there were no client. A master that goes while
 * the client waits was killed: then the client ends by SIGTERM, and with it the build, which must not go on with all
 * that waits at once on one machine. Signals keep the dispositions that the driver gave, so Ctrl-C ends it at once and the master sees the
 * connection close.
 */
#define _GNU_SOURCE
#include "client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void *memory(size_t size)
{
    void *room = malloc(size);
    if (!room) {
        fputs("dgcc-client: out of memory\n", stderr);
        exit(127);
    }
    return room;
}

static void take_arguments(struct original *command, char **argv)
{
    command->argv = memory((env_count(argv) + 1) * sizeof *argv);
    clean_arguments(command->argv, argv, memory(arguments_room(argv)));
}

static void take_environment(struct original *command, char **env)
{
    command->carry.socket = env_entry(env, "DGCC_SOCKET");
    command->carry.client = env_entry(env, "DGCC_CLIENT");
    command->carry.hook = env_entry(env, "DGCC_HOOK");
    const char *target = env_entry(env, "DGCC_TARGET");
    command->target = target ? env_value(target, "DGCC_TARGET") : "";
    command->env = memory((env_count(env) + 1) * sizeof *env);
    clean_environment(command->env, env, memory(clean_room(env)));
}

/* Pass `length` bytes on from the master to a descriptor that may have gone. False if the master has gone. */
static bool relay(int master, int to, uint32_t length)
{
    static char piece[1 << 16];
    bool open = true;
    while (length) {
        size_t part = length < sizeof piece ? length : sizeof piece;
        if (!read_whole(master, piece, part))
            return false;
        open = open && print_whole(to, piece, part);
        length -= (uint32_t)part;
    }
    return true;
}

static _Noreturn void end_with_master(void)
{
    end_with(status_of_signal(SIGTERM));
}

/* Do what the master says until it says how to end. Returns if it makes no sense.
 *
 * There is no deadline: a master that is stopped, as by Ctrl-Z, is to go on later. */
static void obey(int master, const struct original *command)
{
    unsigned char header[WIRE_HEADER], number[4], answer[WIRE_HEADER + 4];
    while (read_whole(master, header, sizeof header)) {
        uint32_t length = wire_read_u32(header);
        switch (header[4]) {
        case WIRE_LOCAL:
            if (length)
                return;
            run_in_place(command);
        case WIRE_CONFIRM: {
            if (length)
                return;
            int status = run_as_child(command);
            wire_u32(wire_header(answer, 4, WIRE_STATUS), (uint32_t)status);
            send_whole(master, answer, sizeof answer);
            end_with(status);
        }
        case WIRE_OUT:
        case WIRE_ERR:
            if (!relay(master, header[4] == WIRE_OUT ? STDOUT_FILENO : STDERR_FILENO, length))
                end_with_master();
            break;
        case WIRE_EXIT:
        case WIRE_SIGNALED:
            if (length != 4)
                return;
            if (!read_whole(master, number, 4))
                end_with_master();
            if (header[4] == WIRE_EXIT && wire_read_u32(number) <= 0xff)
                end_with(status_of_exit(wire_read_u32(number)));
            if (header[4] == WIRE_SIGNALED && wire_is_signal(wire_read_u32(number)))
                end_with(status_of_signal(wire_read_u32(number)));
            return; /* taken for a status, another number could be success */
        default:
            return;
        }
    }
    end_with_master();
}

int main(int argc, char **argv, char **env)
{
    if (argc < 3) {
        fputs("dgcc-client: started by hand; it is for dgcc-master, which starts it in place of each recipe\n",
              stderr);
        return 2;
    }
    struct original command = {.program = argv[1]};
    take_arguments(&command, argv + 2);
    take_environment(&command, env);
    int master = ask_master(&command);
    if (master >= 0) {
        obey(master, &command);
        close(master);
    }
    run_in_place(&command);
}
