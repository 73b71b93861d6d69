/* How the jail says that it failed: one sentence to the caller, on the result descriptor. */
#include "jail.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int fail_fd = -1;

_Noreturn void fail(const char *what, const char *where, int error, const char *advice)
{
    char text[3072]; /* under PIPE_BUF, so that the record arrives whole */
    int used = snprintf(text, sizeof text, "failed%cdgcc-jail: %s%s%.1500s%s%s%s%s", 0, what, where ? " " : "",
                        where ? where : "", error ? ": " : "", error ? strerror(error) : "", advice ? "; " : "",
                        advice ? advice : "");
    if (used >= (int)sizeof text)
        used = sizeof text - 1;
    if (fail_fd < 0 || write(fail_fd, text, (size_t)used + 1) < 0)
        dprintf(2, "%s\n", text + sizeof "failed");
    _exit(125);
}
