/* wire.h: what client, hook and master say to each other over the master's unix socket.
 *
 * A connection carries frames; each is
 *
 *     u32 length of the payload    u8 kind    payload
 *
 * with every integer in little endian. `bytes` below is a u32 length followed by that many bytes, and
 * `list` is a u32 count followed by that many `bytes`. A payload is at most WIRE_MAX bytes.
 *
 * From a client or hook to the master:
 *   REQUEST   u16 version, u16 flags (WIRE_SAME_FILE ...), u32 umask,
 *             bytes cwd (empty where it cannot be told), bytes target (empty where unknown),
 *             bytes program, list argv, list environment: the first frame of a recipe's connection
 *   STATUS    i32 wait status of the command that CONFIRM asked for
 *   FAILED    u16 version, i32 pid, i32 wait status: a driver reaped a child that did not end well;
 * the only frame of its connection
 *   USAGE     u16 version, i32 pid, u32 CPU milliseconds, u32 KiB of the largest process (0: not known): a driver
 *             reaped a child that ended well and used much; the only frame of its connection
 *
 * From the master to a client that sent a REQUEST:
 *   LOCAL     execute the original command in place; nothing follows
 *   CONFIRM   run the original command as a child, send STATUS, end as it ended; nothing follows
 *   OUT, ERR  bytes for stdout, stderr: the payload itself
 *   EXIT      u32 code: end so
 *   SIGNALED  u32 signal: end so
 *
 * A peer that reads an unknown version or kind closes the connection; a client whose connection closes
 * before an end was sent executes the original command. dgcc/master/wire.py is the master's half.
 */
#ifndef DGCC_WIRE_H
#define DGCC_WIRE_H

#include <stdint.h>

enum { WIRE_VERSION = 1, WIRE_HEADER = 5, WIRE_MAX = 64 << 20 };

enum wire_kind {
    WIRE_REQUEST = 1,
    WIRE_STATUS = 2,
    WIRE_FAILED = 3,
    WIRE_USAGE = 4,
    WIRE_LOCAL = 16,
    WIRE_CONFIRM = 17,
    WIRE_OUT = 18,
    WIRE_ERR = 19,
    WIRE_EXIT = 20,
    WIRE_SIGNALED = 21,
};

enum wire_flag {
    WIRE_SAME_FILE = 1, /* stdout and stderr are one open file: their order is seen */
    WIRE_OUT_TTY = 2,
    WIRE_ERR_TTY = 4,
};

/* Wait statuses as Linux writes them. */
static inline int status_of_exit(uint32_t code)
{
    return (int)(code & 0xff) << 8;
}

static inline int wire_is_signal(uint32_t number)
{
    return number >= 1 && number <= 64;
}

static inline int status_of_signal(uint32_t number)
{
    return (int)(number & 0x7f);
}

static inline unsigned char *wire_u16(unsigned char *to, uint16_t value)
{
    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
    return to + 2;
}

static inline unsigned char *wire_u32(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (8 * i));
    return to + 4;
}

static inline uint32_t wire_read_u32(const unsigned char *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline unsigned char *wire_header(unsigned char *to, uint32_t length, enum wire_kind kind)
{
    to = wire_u32(to, length);
    *to = (unsigned char)kind;
    return to + 1;
}

#endif
