"""What a simulated farm is like: slaves, home, network, faults, what is known before the build."""

from msgspec import Struct

# What `dgcc-master` waits for before it gives a slave up: the defaults of its deadlines.
LEASE_S = 12.0
LATE_S = 4.0


class SettingError(Exception):
    """What the command line asks for makes no sense; the message says what, and what would."""


class Slave(Struct, frozen=True):
    """A host: jobs take their recorded time divided by `speed` there."""

    name: str
    slots: int
    speed: float = 1.0


class Fault(Struct, frozen=True):
    """At `at` seconds a slave is killed (`kill`), stopped for good (`stop`), or `factor` times as slow (`slow`)."""

    slave: str
    at: float
    kind: str
    factor: float = 1.0


class Setting(Struct, frozen=True):
    """One simulation.

    home: recipes at home at once. window: make's -j. prefetch: jobs that wait on a slave besides those that run.
    latency_s: one way. bandwidth: bytes a second of the master's link, each way; 0: no limit. by_path: whether the
    Overseer is told how long jobs and paths should take; else it has make's own order. known: whether durations are
    known from earlier builds; else all jobs count the same. noise: the share by which durations are known wrongly.
    """

    slaves: tuple[Slave, ...]
    home: int = 2
    window: int = 64
    prefetch: int = 1
    latency_s: float = 0.001
    bandwidth: float = 100e6
    faults: tuple[Fault, ...] = ()
    by_path: bool = True
    known: bool = True
    noise: float = 0.0
    seed: int = 0

    @property
    def slots(self) -> int:
        """Slots of all slaves."""
        return sum(slave.slots for slave in self.slaves)

    @property
    def capacity(self) -> float:
        """Seconds of recorded work that all slaves do in a second."""
        return sum(slave.slots * slave.speed for slave in self.slaves)


def equal_slaves(slots: int, count: int, speed: float = 1.0) -> tuple[Slave, ...]:
    """Return `count` slaves that share `slots` as evenly as it goes. Raises SettingError."""
    if not 1 <= count <= slots:
        raise SettingError(f"{slots} slots cannot be shared by {count} slaves: each needs one at least")
    each, more = divmod(slots, count)
    return tuple(Slave(f"s{n + 1}", each + (n < more), speed) for n in range(count))


def parse_slave(text: str) -> Slave:
    """Read NAME:SLOTS or NAME:SLOTS:SPEED. Raises SettingError."""
    name, *rest = text.split(":")
    try:
        slots = int(rest[0])
        speed = float(rest[1]) if len(rest) > 1 else 1.0
    except (ValueError, IndexError):
        slots, speed = 0, 0.0
    if not name or len(rest) > 2 or slots < 1 or not 0 < speed < 1e6:
        raise SettingError(f"slave '{text}': it is written NAME:SLOTS:SPEED, as in fast:8:1.5")
    return Slave(name, slots, speed)


def parse_fault(text: str, slaves: tuple[Slave, ...]) -> Fault:
    """Read SLAVE@t=SECONDS:kill, :stop or :slow xN. Raises SettingError."""
    name, _, rest = text.partition("@t=")
    at, _, what = rest.partition(":")
    kind, _, factor = what.strip().partition(" x")
    try:
        fault = Fault(name, float(at), kind, float(factor) if factor else 1.0)
    except ValueError:
        fault = Fault(name, -1.0, kind)
    good = kind == "slow" and bool(factor) if factor or kind == "slow" else kind in ("kill", "stop")
    if not good or not 0 <= fault.at < 1e9 or not 0 < fault.factor < 1e6:
        raise SettingError(f"fault '{text}': it is written SLAVE@t=SECONDS:kill, :stop or :slow xN, as in s1@t=10:kill")
    if name not in {slave.name for slave in slaves}:
        raise SettingError(f"fault '{text}': there is no slave '{name}'; there are {_some(slaves)}")
    return fault


def _some(slaves: tuple[Slave, ...]) -> str:
    names = [slave.name for slave in slaves]
    return ", ".join(names if len(names) <= 4 else [*names[:3], "...", names[-1]])
