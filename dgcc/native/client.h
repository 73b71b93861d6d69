/* client.h: what the parts of the client share. */
#ifndef DGCC_CLIENT_H
#define DGCC_CLIENT_H

#include <stdbool.h>
#include <stdnoreturn.h>

#include "wire.h"
#include "wire_env.h"

/* The command in whose place this client was started. */
struct original {
    char *program;     /* a path */
    char **argv;
    char **env;        /* as make set it, nothing of ours in it */
    const char *target; /* empty where unknown */
    struct carried carry;
};

/* Execute the command in place of this process, as the driver would have. */
noreturn void run_in_place(const struct original *command);

/* Run the command as a child and return its wait status; signals sent to this process go to it. */
int run_as_child(const struct original *command);

/* End as a process with this wait status ended. */
noreturn void end_with(int wait_status);

/* Connect to the master and send it the command. The connection, or -1. */
int ask_master(const struct original *command);

/* Read exactly `length` bytes, or write them; false if the other end is gone. */
bool read_whole(int from, void *to, size_t length);
bool send_whole(int to, const void *from, size_t length);

/* Write to stdout or stderr, also where that is a descriptor which does not block. False if it takes no more. */
bool print_whole(int to, const char *from, size_t length);

#endif
