/* Mount points: found and made inside the new root, never outside it, whatever symlinks lie on the way. */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool point_beneath(const char *path, const char *top)
{
    size_t length = strlen(top);
    if (length == 1)
        return path[1] != 0;
    return !strncmp(path, top, length) && path[length] == '/';
}

int point_find(int root, const char *path)
{
    /* RESOLVE_IN_ROOT: an absolute symlink of the host must not lead back out to the host. */
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    return (int)syscall(SYS_openat2, root, path[1] ? path + 1 : ".", &how, sizeof how);
}

bool point_exists(int root, const char *path, char *found)
{
    strcpy(found, "/");
    for (const char *end = path; *end; ) {
        char prefix[PATH_MAX];
        end += 1 + strcspn(end + 1, "/");
        memcpy(prefix, path, (size_t)(end - path));
        prefix[end - path] = 0;
        int fd = point_find(root, prefix);
        if (fd < 0)
            return false;
        close(fd);
        strcpy(found, prefix);
    }
    return true;
}

int point_open(int root, const char *path, bool directory)
{
    char found[PATH_MAX];
    while (!point_exists(root, path, found)) {
        const char *name = path + (found[1] ? strlen(found) + 1 : 1);
        size_t length = strcspn(name, "/");
        char part[NAME_MAX + 1];
        if (length > NAME_MAX)
            fail("a mount point's name is too long:", path, 0, NULL);
        memcpy(part, name, length);
        part[length] = 0;
        int parent = point_find(root, found);
        int made = directory || name[length] ? mkdirat(parent, part, 0755) : mknodat(parent, part, S_IFREG | 0644, 0);
        if (parent < 0 || made < 0)
            fail("cannot make the mount point", path, errno, "a file, a dangling link or a read-only mount is in its way");
        close(parent);
    }
    int fd = point_find(root, path);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        fail("cannot open the mount point", path, errno, NULL);
    if (S_ISDIR(st.st_mode) != directory)
        fail(directory ? "the mount point is not a directory:" : "the mount point is a directory:", path, 0, NULL);
    return fd;
}

/* O_PATH of the directory that `path` is in; `name` is set to the last component. */
static int parent_of(int root, const char *path, const char **name, bool make)
{
    char parent[PATH_MAX];
    *name = strrchr(path, '/') + 1;
    size_t length = *name - path > 1 ? (size_t)(*name - path - 1) : 1;
    memcpy(parent, path, length);
    parent[length] = 0;
    return make ? point_open(root, parent, true) : point_find(root, parent);
}

bool point_is_link(int root, const char *path, const char *target)
{
    char found[PATH_MAX];
    const char *name;
    int parent = parent_of(root, path, &name, false);
    if (parent < 0)
        return false;
    ssize_t length = readlinkat(parent, name, found, sizeof found);
    close(parent);
    return length == (ssize_t)strlen(target) && !memcmp(found, target, (size_t)length);
}

void point_link(int root, const char *path, const char *target)
{
    const char *name;
    if (point_is_link(root, path, target))
        return;
    int parent = parent_of(root, path, &name, true);
    if (symlinkat(target, parent, name) < 0)
        fail("cannot make the link", path, errno, "something else of this host is in its place");
    close(parent);
}
