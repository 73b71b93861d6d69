"""What sources ask about outside the project without failing where it is not: files that all jobs are given.

`#if __has_include("../../config.h")` would be answered differently on a slave, and nobody would notice.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from dgcc.store.errors import shown
from dgcc.store.layer import Layer
from dgcc.store.mentions import How, Mention

LARGEST = 64 << 20
"""Files outside the project that are larger, in bytes, are not given."""

LOOK_EVERY_S = 1.0
"""How often it is looked which of very many files exist; of few, for every job."""

_FEW = 100
_KERNELS = (b"/dev/", b"/proc/", b"/sys/", b"/run/")
_EVERYWHERE = b"/dev/null"


class Outside(Struct, frozen=True):
    """Absolute paths of files that exist now and every job must see; hindrance: why no compile may travel, or empty."""

    files: tuple[bytes, ...] = ()
    hindrance: str = ""


class _Asking(Struct, frozen=True):
    """A file of a layer that asks about something."""

    layer: Layer
    path: bytes


class Mentions:
    """Of all layers of one build. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: tuple[tuple[str, int], ...] = ()
        self._outside: dict[bytes, list[_Asking]] = {}  # normal absolute path that may exist -> who asks
        self._ignored: dict[bytes, list[_Asking]] = {}  # likewise, in a layer, but kept out of it
        self._private_home = os.path.expanduser(b"~") + b"/."
        self._looked = 0.0
        self._answer = Outside()

    def look(self, roots: Iterable[Layer], extras: Iterable[Layer] = ()) -> Outside:
        """What there is of all that layers mention and jobs do not see; `extras` are layers that some jobs see.

        What is mentioned by its absolute path in a root, or in the same layer, becomes part of that.
        """
        seen_by_all = tuple(roots)
        layers = (*seen_by_all, *extras)
        seen = _state(layers)
        if not any(count for _, count in seen):
            return self._answer
        fresh = seen != self._seen
        while seen != self._seen:
            self._seen = seen
            self._collect(layers, seen_by_all)
            seen = _state(layers)  # what became part of a layer may mention more
        if fresh or len(self._outside) + len(self._ignored) <= _FEW or self._clock() - self._looked >= LOOK_EVERY_S:
            self._looked = self._clock()
            self._answer = self._find()
        return self._answer

    def _collect(self, layers: tuple[Layer, ...], seen_by_all: tuple[Layer, ...]) -> None:
        self._outside, self._ignored = {}, {}
        named: list[tuple[Layer, bytes]] = []
        tops = [layer.root for layer in layers]
        for layer in layers:
            for path, said in list(layer.mentioned.all()):
                asking = _Asking(layer, path)
                for mention in said:
                    for candidate in _candidates(asking, mention, tops):
                        holder, inside = _holder(candidate, (*seen_by_all, layer))
                        if holder is None:
                            self._outside.setdefault(candidate, []).append(asking)
                        elif holder.ignored(inside):
                            self._ignored.setdefault(candidate, []).append(asking)
                        elif mention.operand.startswith(b"/"):
                            named.append((holder, inside))
        for holder, inside in dict.fromkeys(named):
            holder.include(inside)
        for layer in layers:  # an operand may be found by an -I that leads to another tree
            for other in layers:
                if other is not layer:
                    layer.expect(other.mentioned.ends)

    def _find(self) -> Outside:
        files = []
        for path, asking in self._outside.items():
            status = _status(path)
            if status is None or path == _EVERYWHERE or not (who := _living(asking)):
                continue
            trouble = self._trouble(path, status)
            if trouble:
                return Outside((), _sentence(who, path, f"{trouble}, and is not sent to other machines"))
            files.append(path)
        for path, asking in self._ignored.items():
            if _status(path) is not None and (who := _living(asking)):
                return Outside((), _sentence(who, path, "is ignored by dgcc.toml"))
        return Outside(tuple(files))

    def _trouble(self, path: bytes, status: os.stat_result) -> str:
        if path.startswith(_KERNELS) or not stat.S_ISREG(status.st_mode):
            return "is no ordinary file"
        if path.startswith(self._private_home) or not status.st_mode & stat.S_IROTH:
            return "is private"
        return f"has {status.st_size >> 20} MiB" if status.st_size > LARGEST else ""


def _holder(path: bytes, layers: Iterable[Layer]) -> tuple[Layer | None, bytes]:
    """The first of some layers in which an absolute path lies, and its path there."""
    for layer in layers:
        if (inside := layer.relative(path)) is not None:
            return layer, inside
    return None, b""


def _state(layers: tuple[Layer, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((layer.name, layer.mentioned.count) for layer in layers)


def _candidates(asking: _Asking, mention: Mention, tops: Iterable[bytes]) -> Iterator[bytes]:
    """Where an operand may lead, as far as it is not simply a file of the layer: absolute paths, normal."""
    operand = mention.operand
    if not operand:
        return
    if operand.startswith(b"/"):
        yield os.path.normpath(b"/" + operand.lstrip(b"/"))
        return
    beside = os.path.dirname(os.path.join(asking.layer.root, asking.path))
    yield os.path.normpath(os.path.join(beside, operand))
    if mention.how is How.INCLUDED:
        return
    # From any directory of a root, as many '..' as there are lead at most so far above the root.
    rest, up = os.path.normpath(operand), 0
    while rest.startswith(b"../"):
        rest, up = rest[3:], up + 1
    for top in tops:
        at = top
        yield os.path.join(at, rest)
        for _ in range(up):
            at = os.path.dirname(at)
            yield os.path.join(at, rest)


def _status(path: bytes) -> os.stat_result | None:
    """What lies at a path, symbolic links followed; None for nothing, and for a directory, which no compiler reads."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return None if stat.S_ISDIR(status.st_mode) else status


def _living(asking: Iterable[_Asking]) -> bytes | None:
    """One of these files that is still there, absolute."""
    for who in asking:
        entry = who.layer.get(who.path)
        if entry is not None and entry.digest:
            return os.path.join(who.layer.root, who.path)
    return None


def _sentence(who: bytes, path: bytes, why: str) -> str:
    return f"'{shown(who)}' asks for '{shown(path)}', which {why}"
