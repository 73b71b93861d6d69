"""The environments of one build: computed for what recipes need, and anew when something in them has changed."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from dgcc import __version__
from dgcc.master.environment.answers import Answers
from dgcc.master.environment.base import collect_base
from dgcc.master.environment.closure import Closure
from dgcc.master.environment.contents import Contents
from dgcc.master.environment.environment import Environment, build, covered, describe
from dgcc.master.environment.kept import Kept, KeptEnvironments
from dgcc.master.environment.outline import Outline
from dgcc.master.environment.parts import Collection, Parts
from dgcc.master.environment.prefixes import is_prefix
from dgcc.master.environment.programs import Programs
from dgcc.master.environment.questions import Questions
from dgcc.master.environment.toolchain import Compiler
from dgcc.master.environment.trouble import EnvironmentTrouble
from dgcc.master.environment.watching import Watching
from dgcc.master.verdict.needs import Needs, Toolchain
from dgcc.store.blobindex import BlobIndex
from dgcc.store.cache import DigestCache, default_path
from dgcc.store.digests import TICK_NS
from dgcc.store.entry import Page
from dgcc.store.environment import key_of
from dgcc.store.errors import UnknownLayer, shown
from dgcc.store.versions import PAGE_BYTES

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How often files are looked at where they cannot be watched."""

_TROUBLE_HOLDS_S = 10.0  # a compiler that could not be asked is asked again after this
_PAUSES_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)  # before each attempt at a system that changes meanwhile
_LINKERS = frozenset((b"ar", b"nm", b"ranlib", b"ld", b"gcc-ar", b"gcc-nm", b"gcc-ranlib"))


class _Wish(Struct, frozen=True):
    """What one environment is for: the base if all is empty, else a compiler, its libraries, or programs."""

    toolchain: Toolchain | None = None
    libraries: tuple[bytes, ...] = ()
    programs: tuple[bytes, ...] = ()


_Request = tuple[tuple[Toolchain, ...], tuple[bytes, ...], tuple[tuple[int, bytes], ...]]


def _request(needs: Needs) -> _Request:
    """The part of a recipe's needs that decides about environments; the paths are other layers' matter."""
    return needs.toolchains, needs.programs, needs.libraries


class _State(Struct):
    """An environment as of a number of changes of the system."""

    at: int
    closure: Closure | Kept
    environment: Environment


class Environments:
    """For the master's loop, which never waits here, and one worker thread that does the looking.

    cache: digests kept between builds; default: the user's. environ: the user's variables. answers: where
    compilers' answers are kept, and beside it what was made of them; default: beside the user's digests.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        cache: DigestCache | None = None,
        environ: Mapping[bytes, bytes] | Mapping[str, str] = os.environ,
        *,
        answers: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._questions = Questions({os.fsencode(name): os.fsencode(value) for name, value in environ.items()})
        answers = answers or default_path().parent / "answers"
        self._answers = Answers(answers)
        self._kept = KeptEnvironments(answers.with_name("environments"))
        self._contents = Contents(cache or DigestCache())
        self._watching = Watching()
        self._clock = clock
        self._looked = clock()
        self._preparing = threading.Lock()
        self._states: dict[_Wish, _State] = {}
        self._troubles: dict[_Wish, tuple[int, float, str]] = {}
        self._ready: dict[_Request, tuple[int, tuple[bytes, ...]]] = {}
        self._doubtful: deque[bytes] = deque()  # paths below "/" of which somebody found other content
        self._believes = True  # that what inodes say is so
        self._by_key: dict[bytes, Environment] = {}
        self._outlines: dict[bytes, Outline] = {}  # likewise, of those from earlier builds

    @property
    def indexes(self) -> tuple[BlobIndex, BlobIndex]:
        """Where the content of all environments is, for a TreeSource: of the system, and of DGCC's own script."""
        return self._contents.index, self._contents.shims

    # ---- On the loop ---------------------------------------------------------------------------------------

    def current(self, needs: Needs) -> tuple[bytes, ...] | None:
        """The keys of the environments for `needs`, topmost first, if known and still right; takes microseconds.

        None: call `prepare` on the worker thread, then use what that returns.
        """
        at = self._changes()
        if self._must_look():
            return None
        ready = self._ready.get(_request(needs))
        if ready is not None and ready[0] == at:
            return ready[1]
        # New needs may be made up of what others have asked for.
        states = [self._states.get(wish) for wish in self._wishes(needs)]
        known = [state for state in states if state is not None and state.at == at]
        return self._answer(needs, at, known) if len(known) == len(states) else None

    def changes(self, layer: str, since: int, limit_bytes: int = PAGE_BYTES) -> Page:
        """Entries of an environment by its layer's name. Raises UnknownLayer, BadVersion."""
        key = key_of(layer)
        environment = self._by_key.get(key) if key is not None else None
        if environment is None:
            raise UnknownLayer(layer)
        return environment.changes(since, limit_bytes)

    def entries(self, layer: str) -> Environment | None:
        """An environment by its layer's name; None if there is none."""
        key = key_of(layer)
        return self._by_key.get(key) if key is not None else None

    def covers(self, needs: Needs, path: bytes) -> bool:
        """Whether an absolute path is in the environments of `needs`, which were prepared; if it is a directory,
        with all below it."""
        ready = self._ready.get(_request(needs))
        if ready is None or all(key in self._outlines and self._outlines[key].lacks(path) for key in ready[1]):
            return False
        return covered([self._by_key[key] for key in ready[1]], path)

    def _changes(self) -> int:
        """A number that is another one after anything in any environment has changed."""
        doubts = self._contents.index.take_suspects()
        self._contents.shims.take_suspects()
        if doubts:
            self._doubtful.extend(doubts)
            self._watching.count()
        return self._watching.changes()

    def _must_look(self) -> bool:
        """Whether changes are not told to us, and it is long since they were looked for."""
        return self._watching.blind and self._clock() - self._looked >= LOOK_EVERY_S

    # ---- On the worker thread ------------------------------------------------------------------------------

    def prepare(self, needs: Needs) -> tuple[bytes, ...]:
        """The keys of the environments for `needs`, topmost first. May take seconds. Any one thread at a time.

        Raises EnvironmentTrouble if a compiler cannot be asked what it consists of, or does not come to rest.
        """
        with self._preparing:
            wishes = self._wishes(needs)
            if self._must_look():
                if not all(state.closure.unchanged() for state in self._states.values()):
                    self._watching.count()
                self._looked = self._clock()
            for pause in _PAUSES_S:
                time.sleep(pause)
                at = self._watching.changes()
                states = [self._state(wish, at) for wish in wishes]
                if self._watching.changes() == at:
                    break
            else:
                raise EnvironmentTrouble("files of the system that this needs change again and again")
            return self._answer(needs, at, states)

    def _answer(self, needs: Needs, at: int, states: Iterable[_State]) -> tuple[bytes, ...]:
        keys = tuple(dict.fromkeys(state.environment.key for state in states))
        self._ready[_request(needs)] = at, keys
        return keys

    def _wishes(self, needs: Needs) -> list[_Wish]:
        wishes = []
        for number, toolchain in enumerate(needs.toolchains):
            names = tuple(sorted({name for index, name in needs.libraries if index == number}))
            if names:
                wishes.append(_Wish(toolchain, libraries=names))
        # A program that stands in front of a compiler is not for running: the base has our own in its place.
        programs = tuple(sorted({path for path in needs.programs if not is_prefix(path)}))
        if programs:
            wishes.append(_Wish(programs=programs))
        wishes += [_Wish(toolchain) for toolchain in dict.fromkeys(needs.toolchains)]
        return [*wishes, _Wish()]

    def _state(self, wish: _Wish, at: int) -> _State:
        while self._doubtful:
            self._contents.doubt(self._doubtful.popleft())
            self._believes = False
        known = self._states.get(wish)
        if known is not None and known.at == at:
            return known
        trouble = self._troubles.get(wish)
        if trouble is not None and trouble[0] == at and self._clock() - trouble[1] < _TROUBLE_HOLDS_S:
            raise EnvironmentTrouble(trouble[2])
        if known is None and trouble is None and self._believes:
            kept = self._from_earlier(wish, at)
            if kept is not None:
                return kept
        started = self._clock()
        try:
            # Watched before it is asked, so that one that cannot be asked is asked again once it is repaired.
            Closure(Parts(_starting_points(wish)), self._watching)
            asked_ns = time.time_ns()
            parts, fresh = self._parts(wish)
            closure = Closure(parts, self._watching)
            if fresh and closure.newest_ns >= asked_ns - TICK_NS:
                self._watching.count()  # it may have been put there after the asking, and before the watch
            environment = build(closure, self._contents)
            self._kept.save(self._question(wish), self._contents.shim(), closure, environment)
        except EnvironmentTrouble as error:
            self._troubles[wish] = at, self._clock(), str(error)
            raise
        # One content is one object: what was served under this key goes on to be so.
        environment = self._by_key.setdefault(environment.key, environment)
        state = self._states[wish] = _State(at, closure, environment)
        if known is None or known.environment is not environment:
            took = self._clock() - started
            log.info("environment %s of %s, %.2f s", describe(environment), _about(wish), took)
        return state

    def _from_earlier(self, wish: _Wish, at: int) -> _State | None:
        """The environment that an earlier build has found, if nothing in it has changed since."""
        contents = self._contents
        found = self._kept.load(self._question(wish), contents.shim(), self._watching, contents.learn)
        if found is None:
            return None
        kept, environment = found
        environment = self._by_key.setdefault(environment.key, environment)
        self._outlines.setdefault(environment.key, Outline(kept))
        state = self._states[wish] = _State(at, kept, environment)
        log.info("environment %s of %s, as it was", environment.key.hex()[:12], _about(wish))
        return state

    def _parts(self, wish: _Wish) -> tuple[Parts, bool]:
        """What an environment consists of, and whether this was asked just now."""
        question = self._question(wish)
        parts = self._answers.load(question)
        if parts is not None:
            return parts, False
        to = Collection()
        programs = Programs(self._questions)
        if wish.toolchain is not None:
            compiler = Compiler(wish.toolchain, self._questions, programs)
            if wish.libraries:
                compiler.add_libraries(wish.libraries, to)
            else:
                compiler.collect(to)
        elif wish.programs:
            missing = next((path for path in wish.programs if not os.path.isfile(path)), None)
            if missing is not None:
                raise EnvironmentTrouble(f"there is no program '{shown(missing)}'")
            programs.add_all(wish.programs, to)
            for path in wish.programs:
                if os.path.basename(path).rpartition(b"-")[2] in _LINKERS:
                    programs.add_plugins(path, to, llvm=True)
        else:
            collect_base(self._questions, programs, to)
        parts = to.freeze()
        self._answers.save(question, parts)
        return parts, True

    def _question(self, wish: _Wish) -> list[bytes]:
        """All that an answer depends on besides files."""
        environ = self._questions.environ
        speech = sorted(b"=".join(item) for item in environ.items() if item[0][:3] in (b"LAN", b"LC_", b"TER"))
        driver = (wish.toolchain.driver, *wish.toolchain.options) if wish.toolchain is not None else ()
        fields = ((__version__.encode(),), self._questions.path, speech, driver, wish.libraries, wish.programs)
        return [part for field in fields for part in (b"%d" % len(field), *field)]

    def close(self) -> None:
        """End all watches."""
        self._watching.close()


def _starting_points(wish: _Wish) -> frozenset[bytes]:
    return frozenset((*wish.programs, *((wish.toolchain.driver,) if wish.toolchain is not None else ())))


def _about(wish: _Wish) -> str:
    if wish.toolchain is not None:
        words = shown(b" ".join((wish.toolchain.driver, *wish.toolchain.options)))
        return f"libraries of {words}" if wish.libraries else words
    return " ".join(map(shown, wish.programs)) if wish.programs else "the plain tools"
