/* hook_main.c: gives every make one more argument, which has it tell each recipe its target.
 *
 * A variable given to make as an argument is exported, and expanded for each recipe: DGCC_TARGET=$@ is the target.
 * As an argument, because MAKEFLAGS in the environment changes what `make -e` does; in memory, so that it also
 * reaches a make that a script, a shell loop or cmake has started.
 */
#define _GNU_SOURCE
#include "hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#define TARGET_ARGUMENT "DGCC_TARGET=$@"

typedef int main_function(int, char **, char **);

static main_function *make_main;

static int main_with_target(int argc, char **argv, char **env)
{
    char **more = argc > 0 ? malloc(((size_t)argc + 2) * sizeof *more) : NULL;
    /* A make that starts itself again has the argument already. */
    if (!more || (argc > 1 && strcmp(argv[1], TARGET_ARGUMENT) == 0))
        return make_main(argc, argv, env);
    more[0] = argv[0];
    more[1] = (char *)TARGET_ARGUMENT;
    memcpy(more + 2, argv + 1, (size_t)argc * sizeof *more);
    return make_main(argc + 1, more, env);
}

EXPORT int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                             void (*rtld_fini)(void), void *stack_end)
{
    int (*start)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *)
        = dlsym(RTLD_NEXT, "__libc_start_main");
    if (!start)
        abort();
    if (hook.role == MAKE) {
        make_main = main;
        main = main_with_target;
    }
    return start(main, argc, argv, init, fini, rtld_fini, stack_end);
}
