/* client_ask.c: the client's request to the master, and the reading and writing of whole pieces. */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

bool read_whole(int from, void *to, size_t length)
{
    for (char *at = to; length;) {
        ssize_t got = read(from, at, length);
        if (got <= 0) {
            if (got < 0 && errno == EINTR)
                continue;
            return false;
        }
        at += got;
        length -= (size_t)got;
    }
    return true;
}

bool send_whole(int to, const void *from, size_t length)
{
    for (const char *at = from; length;) {
        ssize_t sent = send(to, at, length, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool print_whole(int to, const char *from, size_t length)
{
    while (length) {
        ssize_t written = write(to, from, length);
        if (written < 0) {
            struct pollfd room = {.fd = to, .events = POLLOUT};
            if (errno == EINTR || (errno == EAGAIN && (poll(&room, 1, -1) >= 0 || errno == EINTR)))
                continue;
            return false;
        }
        from += written;
        length -= (size_t)written;
    }
    return true;
}

static unsigned flags_here(void)
{
    struct stat out, err;
    unsigned flags = 0;
    if (fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev
        && out.st_ino == err.st_ino)
        flags |= WIRE_SAME_FILE;
    if (isatty(STDOUT_FILENO))
        flags |= WIRE_OUT_TTY;
    if (isatty(STDERR_FILENO))
        flags |= WIRE_ERR_TTY;
    return flags;
}

static size_t list_size(char *const *list)
{
    size_t size = 4;
    for (; *list; list++)
        size += 4 + strlen(*list);
    return size;
}

static unsigned char *put_bytes(unsigned char *to, const char *from)
{
    size_t length = strlen(from);
    to = wire_u32(to, (uint32_t)length);
    memcpy(to, from, length);
    return to + length;
}

static unsigned char *put_list(unsigned char *to, char *const *list)
{
    to = wire_u32(to, (uint32_t)env_count(list));
    for (; *list; list++)
        to = put_bytes(to, *list);
    return to;
}

int ask_master(const struct original *command)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = command->carry.socket ? env_value(command->carry.socket, "DGCC_SOCKET") : "";
    if (!*path || strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);

    char cwd[PATH_MAX] = "";
    if (!getcwd(cwd, sizeof cwd) || cwd[0] != '/')
        cwd[0] = '\0';
    mode_t mask = umask(0);
    umask(mask);
    size_t size = 2 + 2 + 4 + 4 + strlen(cwd) + 4 + strlen(command->target) + 4 + strlen(command->program)
        + list_size(command->argv) + list_size(command->env);
    if (size > WIRE_MAX)
        return -1;
    unsigned char *frame = malloc(WIRE_HEADER + size);
    if (!frame)
        return -1;
    unsigned char *at = wire_header(frame, (uint32_t)size, WIRE_REQUEST);
    at = wire_u16(at, WIRE_VERSION);
    at = wire_u16(at, (uint16_t)flags_here());
    at = wire_u32(at, mask);
    at = put_bytes(at, cwd);
    at = put_bytes(at, command->target);
    at = put_bytes(at, command->program);
    at = put_list(at, command->argv);
    put_list(at, command->env);

    int master = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (master >= 0) {
        int failed;
        do
            failed = connect(master, (struct sockaddr *)&address, sizeof address);
        while (failed && errno == EINTR);
        if (failed || !send_whole(master, frame, WIRE_HEADER + size)) {
            close(master);
            master = -1;
        }
    }
    free(frame);
    return master;
}
