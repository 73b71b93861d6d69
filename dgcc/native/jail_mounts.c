/* Builds the job's root directory: binds, overlays and private file systems, in order of depth, then enters it. */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char no_overlay[] =
    "an overlay in a user namespace needs Linux 5.11 with overlayfs, and scratch on a file system that can be its upper "
    "layer (ext4, xfs, btrfs; not another overlay) and lies in none of its lower directories";
static const char no_namespace[] =
    "user namespaces are restricted on this host: allow them (sysctl kernel.apparmor_restrict_unprivileged_userns=0), "
    "give the container the right to mount, or run as root";

static int open_at(int base, const char *name, int flags)
{
    int fd = openat(base, name, O_PATH | O_CLOEXEC | flags);
    if (fd < 0)
        fail("cannot open", name, errno, NULL);
    return fd;
}

void mounts_open(struct spec *spec)
{
    int scratch = spec->scratch_fd = open_at(AT_FDCWD, spec->scratch, O_DIRECTORY);
    spec->skel_fd = openat(scratch, "skel", O_PATH | O_CLOEXEC | O_DIRECTORY); /* made only if it may be needed */
    for (size_t i = 0; i < spec->mount_count; i++) {
        struct mount *mount = &spec->mounts[i];
        bool overlay = mount->kind == MOUNT_OVERLAY;
        mount->from_fd = calloc(mount->from_count + 1, sizeof *mount->from_fd);
        for (size_t j = 0; j < mount->from_count; j++) {
            mount->from_fd[j] = openat(AT_FDCWD, mount->from[j],
                                       O_PATH | O_CLOEXEC | (overlay ? O_DIRECTORY : O_NOFOLLOW));
            if (mount->from_fd[j] < 0 && !(mount->optional && errno == ENOENT))
                fail(overlay ? "cannot open the lower directory" : "cannot open, for a bind,", mount->from[j], errno,
                     NULL);
        }
        if (overlay && !mount->readonly) {
            char name[32];
            snprintf(name, sizeof name, "upper-%d", mount->index);
            mount->upper_fd = open_at(scratch, name, O_DIRECTORY);
            snprintf(name, sizeof name, "work-%d", mount->index);
            mount->work_fd = open_at(scratch, name, O_DIRECTORY);
        }
    }
}

/* What the source of a bind is; a mount of any other kind is a directory. 0: an optional bind that is left out. */
static mode_t kind_of(const struct mount *mount)
{
    struct stat st;
    if (mount->kind != MOUNT_BIND)
        return S_IFDIR;
    if (mount->from_fd[0] < 0)
        return 0;
    if (fstat(mount->from_fd[0], &st) < 0)
        fail("cannot stat", mount->from[0], errno, NULL);
    return st.st_mode & S_IFMT;
}

/* The target of a bind that is a symlink, which is copied as such. */
static const char *target_of(const struct mount *mount)
{
    static char target[PATH_MAX];
    ssize_t length = readlinkat(mount->from_fd[0], "", target, sizeof target - 1);
    if (length < 0)
        fail("cannot read the link", mount->from[0], errno, NULL);
    target[length] = 0;
    return target;
}

/* True if mount number `index` is the one on which the mount point of mount number `child` lies. */
static bool is_parent(const struct spec *spec, size_t index, size_t child)
{
    size_t parent = 0;
    for (size_t i = 0; i < child; i++)
        if (point_beneath(spec->mounts[child].path, spec->mounts[i].path) && kind_of(&spec->mounts[i]) == S_IFDIR)
            parent = i;
    return parent == index;
}

static void attach(int mount_fd, int at, const char *path)
{
    if (move_mount(mount_fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail("cannot mount on", path, errno, no_namespace);
}

static void restrict_mount(int mount_fd, const char *path, uint64_t flags, unsigned int recursive)
{
    struct mount_attr attributes = {.attr_set = flags};
    if (mount_setattr(mount_fd, "", AT_EMPTY_PATH | recursive, &attributes, sizeof attributes) < 0)
        fail("cannot restrict the mount on", path, errno, "Linux 5.12 or later is needed");
}

/* `size`: bytes of a tmpfs; NULL: half of the memory, the kernel's default. */
static int new_mount(const char *type, const char *mode, const char *size, const char *path)
{
    int context = fsopen(type, FSOPEN_CLOEXEC);
    int fd = -1;
    if (context >= 0 && (!mode || !fsconfig(context, FSCONFIG_SET_STRING, "mode", mode, 0)) &&
        (!size || !fsconfig(context, FSCONFIG_SET_STRING, "size", size, 0)) &&
        !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0 && !strcmp(type, "proc"))
        fail("cannot mount", path, errno,
             "this host hides parts of /proc, as containers do: start the container with an unmasked /proc");
    if (fd < 0)
        fail("cannot mount a tmpfs for", path, errno, no_namespace);
    close(context);
    return fd;
}

static int clone_tree(int fd, const char *path)
{
    int tree = open_tree(fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0)
        fail("cannot bind", path, errno, no_namespace);
    restrict_mount(tree, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, AT_RECURSIVE);
    return tree;
}

/* A directory that only holds mount points and links: those on mount number `parent` that lie beneath `top`.
 * -1 if none do. */
static int skeleton(const struct spec *spec, size_t parent, const char *top)
{
    static int made;
    int fd = -1;
    for (size_t i = parent + 1; i < spec->mount_count; i++) {
        const struct mount *mount = &spec->mounts[i];
        mode_t kind = kind_of(mount);
        const char *inner = mount->path + (top[1] ? strlen(top) : 0);
        if (!kind || !point_beneath(mount->path, top) || !is_parent(spec, parent, i))
            continue;
        if (fd < 0) {
            char name[16];
            snprintf(name, sizeof name, "%d", made++);
            if (mkdirat(spec->skel_fd, name, 0755) < 0)
                fail("cannot make a directory in scratch/skel of", spec->scratch, errno, NULL);
            fd = open_at(spec->skel_fd, name, O_DIRECTORY);
        }
        if (S_ISLNK(kind))
            point_link(fd, inner, target_of(mount));
        else
            close(point_open(fd, inner, S_ISDIR(kind)));
    }
    return fd;
}

/* Mount an overlay of `lower`, topmost first, on `at`; with the upper directory of `writable` unless that is NULL.
 * Everything is named by descriptor, so that no path needs quoting and the options, which the kernel takes as one
 * page, stay short. */
static void mount_overlay(const struct spec *spec, const int *lower, size_t count, const struct mount *writable, int at,
                          const char *path)
{
    char options[4096], target[32];
    size_t used = (size_t)snprintf(options, sizeof options, "lowerdir=");
    for (size_t i = 0; i < count && used < sizeof options; i++)
        used += (size_t)snprintf(options + used, sizeof options - used, "%s/proc/self/fd/%d", i ? ":" : "", lower[i]);
    /* volatile: without it, the end of each job would wait for the disk. */
    if (writable && used < sizeof options)
        used += (size_t)snprintf(options + used, sizeof options - used,
                                 ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,volatile", writable->upper_fd,
                                 writable->work_fd);
    if (used < sizeof options)
        used += (size_t)snprintf(options + used, sizeof options - used, "%s",
                                 spec->user_ns ? ",userxattr" : ",redirect_dir=off,metacopy=off,index=off");
    if (used >= sizeof options)
        fail("too many lower directories for the overlay on", path, 0, "merge some of them");
    snprintf(target, sizeof target, "/proc/self/fd/%d", at);
    if (mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
        fail("cannot mount the overlay on", path, errno, no_overlay);
}

static void place_overlay(struct spec *spec, size_t index, int at)
{
    struct mount *mount = &spec->mounts[index];
    size_t count = mount->from_count;
    int skel = skeleton(spec, index, mount->path);
    if (skel >= 0) /* lowest, to add only what is missing; calloc left room for it */
        mount->from_fd[count++] = skel;
    if (mount->readonly && count == 1) /* older kernels refuse an overlay of one layer */
        attach(clone_tree(mount->from_fd[0], mount->path), at, mount->path);
    else
        mount_overlay(spec, mount->from_fd, count, mount->readonly ? NULL : mount, at, mount->path);
}

/* Mount points that the bound host directory lacks are added by covering the deepest directory that it has with a
 * read-only overlay of the missing ones over it; over it, so that a dangling link of the host is hidden. The
 * shallowest is covered first, because it may serve others too. */
static void complete_bind(const struct spec *spec, size_t index)
{
    for (size_t covers = 0;; covers++) {
        char cover[PATH_MAX] = "", found[PATH_MAX];
        for (size_t i = index + 1; i < spec->mount_count; i++) {
            const struct mount *mount = &spec->mounts[i];
            mode_t kind = kind_of(mount);
            if (!kind || !is_parent(spec, index, i))
                continue;
            bool exists = point_exists(spec->root_fd, mount->path, found);
            if (S_ISLNK(kind))
                exists = exists || point_is_link(spec->root_fd, mount->path, target_of(mount));
            if (!exists && (!*cover || strlen(found) < strlen(cover)))
                strcpy(cover, found);
        }
        if (!*cover)
            return;
        if (!cover[1]) /* only in host-root mode: an overlay over / would lose every mount beneath it */
            fail("the host's root lacks the directory of a mount, so it cannot be shown there", NULL, 0, NULL);
        if (covers == spec->mount_count)
            fail("cannot make the mount points beneath", cover, 0, "links of this host lead away from there");
        struct stat like;
        int at = point_open(spec->root_fd, cover, true);
        int layers[] = {skeleton(spec, index, cover), at};
        if (layers[0] < 0 || fstat(at, &like) < 0 || fchmodat(layers[0], ".", like.st_mode & 0777, 0) < 0)
            fail("cannot make the mount points beneath", cover, errno, NULL);
        mount_overlay(spec, layers, 2, NULL, at, cover);
        close(at);
    }
}

static void place_bind(const struct spec *spec, size_t index)
{
    const struct mount *mount = &spec->mounts[index];
    mode_t kind = kind_of(mount);
    if (S_ISLNK(kind)) {
        point_link(spec->root_fd, mount->path, target_of(mount));
    } else if (kind) {
        int at = point_open(spec->root_fd, mount->path, S_ISDIR(kind));
        attach(clone_tree(mount->from_fd[0], mount->path), at, mount->path);
        close(at);
        if (S_ISDIR(kind))
            complete_bind(spec, index);
    }
}

static void place_dev(int at)
{
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"}};
    int dev = new_mount("tmpfs", "755", NULL, "/dev");
    attach(dev, at, "/dev");
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/%s", nodes[i]);
        int node = mknodat(dev, nodes[i], S_IFREG | 0644, 0) < 0 ? -1 : openat(dev, nodes[i], O_PATH | O_CLOEXEC);
        int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (node < 0 || tree < 0)
            fail("cannot bind", path, errno, NULL);
        restrict_mount(tree, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0); /* of the node, not of the device */
        attach(tree, node, path);
        close(tree);
        close(node);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlinkat(links[i][0], dev, links[i][1]) < 0)
            fail("cannot make the link /dev/", links[i][1], errno, NULL);
    if (mkdirat(dev, "shm", 01777) < 0)
        fail("cannot make", "/dev/shm", errno, NULL);
    restrict_mount(dev, "/dev", MOUNT_ATTR_RDONLY, 0);
    close(dev);
}

static void place_proc(struct spec *spec, int at)
{
    spec->proc_fd = new_mount("proc", NULL, NULL, "/proc");
    attach(spec->proc_fd, at, "/proc");
    /* There is nothing in it that a recipe would have to set. In host-root mode it may: that is as at home. */
    if (!spec->host_root)
        restrict_mount(spec->proc_fd, "/proc", MOUNT_ATTR_RDONLY, 0);
}

static void place_private(const struct spec *spec, struct mount *mount, int at)
{
    uint64_t most = spec->most.memory < spec->most.output ? spec->most.memory : spec->most.output;
    char size[32];
    /* A little more than it may hold, so that a job which fills it is known by that. */
    snprintf(size, sizeof size, "%llu", (unsigned long long)(most + (64 << 20)));
    mount->private_fd = new_mount("tmpfs", mount->tmpfs_mode, most == UINT64_MAX ? NULL : size, mount->path);
    attach(mount->private_fd, at, mount->path);
}

void mounts_enter(struct spec *spec)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail("cannot make the mounts private", "/", errno, no_namespace);
    int at;
    /* The new root is mounted on scratch, as good a place as any: what we need of scratch is open already. */
    spec->root_fd = spec->host_root ? clone_tree(spec->mounts[0].from_fd[0], "/") : new_mount("tmpfs", "755", NULL, "/");
    attach(spec->root_fd, spec->scratch_fd, spec->scratch);
    if (spec->host_root)
        complete_bind(spec, 0);
    for (size_t i = 1; i < spec->mount_count; i++) {
        struct mount *mount = &spec->mounts[i];
        if (mount->kind == MOUNT_BIND) {
            place_bind(spec, i);
            continue;
        }
        at = point_open(spec->root_fd, mount->path, true);
        if (mount->kind == MOUNT_OVERLAY)
            place_overlay(spec, i, at);
        else if (mount->kind == MOUNT_DEV)
            place_dev(at);
        else if (mount->kind == MOUNT_PROC)
            place_proc(spec, at);
        else
            place_private(spec, mount, at);
        close(at);
    }
    restrict_mount(spec->root_fd, "/", MOUNT_ATTR_RDONLY, 0);
    /* The old root lies under the new one for a moment, and is then detached: nothing of it can be reached. */
    if (fchdir(spec->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0)
        fail("cannot change the root directory to", spec->scratch, errno, NULL);
}
