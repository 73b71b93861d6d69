/* Leaves the job only those system calls that compilers, build tools and tests use: see filter.c, where the list is. */
#include "jail.h"

#include "filter_programs.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load(const struct sock_filter *code, size_t count)
{
    struct sock_fprog program = {(unsigned short)count, (struct sock_filter *)code};
    /* No flags: what the CPU is to be told against its speculation is the host's policy. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        fail("cannot restrict the job's system calls", NULL, errno,
             "this host's kernel must have CONFIG_SECCOMP_FILTER, and a container must allow seccomp");
}

void filter_load(void)
{
    load(filter_arguments, sizeof filter_arguments / sizeof *filter_arguments);
    load(filter_calls, sizeof filter_calls / sizeof *filter_calls);
}
