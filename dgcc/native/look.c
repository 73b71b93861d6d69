/* Looks at thousands of files in one call: what the inode at each path says. Python takes five times as long for it,
 * and holds the interpreter meanwhile. Called by dgcc/store/looks.py, which has the form of a record, too. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

struct look {
    uint64_t size, inode;
    int64_t mtime_ns, ctime_ns;
    uint32_t mode, found; /* found: 0 if nothing is there, or it cannot be looked at; all else is 0 then, too */
};

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Fills `looks` for the paths in `paths`, each ended by a 0 byte, until there are `count`. Symlinks are not followed. */
__attribute__((visibility("default"))) void dgcc_look(const char *paths, struct look *looks, size_t count)
{
    for (size_t i = 0; i < count; i++, paths += strlen(paths) + 1) {
        struct stat status;
        memset(&looks[i], 0, sizeof looks[i]);
        if (lstat(paths, &status))
            continue;
        looks[i] = (struct look){
            .size = (uint64_t)status.st_size,
            .inode = status.st_ino,
            .mtime_ns = nanoseconds(status.st_mtim),
            .ctime_ns = nanoseconds(status.st_ctim),
            .mode = status.st_mode,
            .found = 1,
        };
    }
}
