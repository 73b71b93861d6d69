"""Which directory trees a build's jobs may see: the roots."""

import os

_LONGEST_WAY = 256  # path components looked at; the kernel itself follows 40 links
_VERSION_CONTROL = (b".git", b".hg", b".svn", b".bzr", b"_darcs")


def working_directory(arguments: list[str], start: bytes) -> bytes:
    """Return the directory in which make works when it gets `arguments` in `start`: -C and --directory followed."""
    directory = start
    i = 0
    while i < len(arguments):
        argument = arguments[i]
        step = None
        if argument in ("-C", "--directory"):
            i += 1
            step = arguments[i] if i < len(arguments) else None
        elif argument.startswith("--directory="):
            step = argument.partition("=")[2]
        elif argument.startswith("-C"):
            step = argument[2:]
        if step is not None:
            directory = os.path.join(directory, os.fsencode(step))
        i += 1
    return os.path.realpath(directory)


def default_root(directory: bytes, start: bytes) -> bytes:
    """Return the version-control root at or above `directory`; else `start`, if that is above, or `directory`."""
    at = directory
    while True:
        if any(os.path.exists(os.path.join(at, mark)) for mark in _VERSION_CONTROL):
            return at
        above = os.path.dirname(at)
        if above == at:
            return start if directory.startswith(start + b"/") else directory
        at = above


def choose_roots(named: list[str], directory: bytes, start: bytes) -> tuple[bytes, ...]:
    """Return the roots for a build in `directory`, real paths, none within another, `named` ones if there are any.

    `start` is where dgcc-master was started, which -C may have led away from.

    Raises ValueError, with a sentence, for a root that is no directory or is the whole file system.
    """
    paths = [os.path.realpath(os.fsencode(n)) for n in named] or [default_root(directory, start)]
    for path in paths:
        if not os.path.isdir(path):
            raise ValueError(f"root '{os.fsdecode(path)}' is not a directory")
        if path == b"/":
            raise ValueError("the root would be '/', the whole file system: name the project's directory with --root")
    chosen: list[bytes] = []
    for path in sorted(set(paths)):
        if not any(path.startswith(other + b"/") for other in chosen):
            chosen.append(path)
    return tuple(chosen)


def links_on_the_way(path: bytes, roots: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    """Return the symbolic links that are followed on `path` (absolute) and lie outside the roots: (path, target)."""
    found: list[tuple[bytes, bytes]] = []
    at, rest = b"/", [part for part in path.split(b"/") if part]
    for _ in range(_LONGEST_WAY):
        if not rest or any(at == root or at.startswith(root + b"/") for root in roots):
            break
        part = rest.pop(0)
        if part in (b".", b".."):
            at = os.path.normpath(os.path.join(at, part))
            continue
        step = os.path.join(at, part)
        try:
            target = os.readlink(step)
        except OSError:
            at = step
            continue
        found.append((step, target))
        rest = [p for p in target.split(b"/") if p] + rest
        if target.startswith(b"/"):
            at = b"/"
    return found
