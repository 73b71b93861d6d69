"""How well one master keeps 64 to 1,024 slots busy, and whether a job costs it more where there are more of them."""

import random
import statistics
from collections.abc import Iterator, Sequence

from dgcc.bench.farms.simulated import Dispatched, Simulated
from dgcc.bench.figures import Bar, Figure, Row, Table
from dgcc.bench.flat import recipes
from dgcc.bench.setting import Setting
from dgcc.bench.site import Site

# Slots, slaves that have them, least share of the slots' time in use, in percent.
_FARMS = ((64, 4, 95.0), (256, 16, 93.0), (1_024, 64, 85.0))
_COUNTS = (5_000, 10_000, 20_000)
_JOBS_PER_SLOT = 16
_RATE = 300.0  # jobs a second, where what a job costs is compared: the same for all sizes
_WAITING = (512, 2_048)  # make's -j beyond the slots, at least and at most: so many clients wait
_SEED = 1
_SECONDS = 900.0
#: Seconds that the 39 compiles of leveldb 1.23 took on a slave, from a recording of a busy machine.
LEVELDB_S = (
    1.41, 1.95, 8.40, 2.53, 2.19, 2.73, 2.06, 2.19, 1.45, 5.26, 1.58, 2.36, 1.14, 6.93, 1.39, 1.31, 1.89, 0.79,
    1.55, 2.56, 1.14, 1.75, 1.68, 1.47, 0.83, 0.65, 1.56, 1.32, 1.34, 1.20, 1.44, 0.51, 1.10, 1.21, 0.80, 4.80,
    1.40, 3.63, 0.86,
)  # fmt: skip


def run(setting: Setting) -> Iterator[Table]:
    """The tables: use of slots, cost of jobs."""
    farms = _FARMS[:1] if setting.quick else _FARMS
    yield _use(setting, farms)
    yield _cost(setting, farms, _COUNTS[:2] if setting.quick else _COUNTS)


def _use(setting: Setting, farms: Sequence[tuple[int, int, float]]) -> Table:
    rows, bars = [], []
    for slots, slaves, least in farms:
        chosen = random.Random(_SEED).choices(LEVELDB_S, k=_JOBS_PER_SLOT * slots)
        project = recipes(setting.directory / f"recorded-{slots}", [f"sleep {each:.3f}" for each in chosen], "sleep")
        with Simulated(Site(setting.directory / f"use-{slots}"), slots, slaves) as farm:
            found, shares = [], []
            for number in range(1 + max(1, setting.repeats // 2)):
                found.append(farm.dispatch(project, [_window(slots)], _SECONDS))
                shares.append(100 * farm.use())
                setting.say(f"{slots} slots, build {number + 1}: {shares[-1]:.1f} % in use")
        known = Figure("%", tuple(shares[1:]))
        rows.append(Row(f"{slots:,}", {
            "slaves": str(slaves), "jobs": f"{len(chosen):,}", "first build": Figure("%", (shares[0],)), "later": known,
            **_costs(found[1:]),
        }))  # fmt: skip
        bars.append(Bar(f"{slots:,} slots in use", known.median, least, False, "%"))
    return Table(
        "Use of many slots",
        "Simulated slaves in one process; recipes `sleep SECONDS` that await nothing, as long as leveldb's compiles "
        f"(median {sorted(LEVELDB_S)[len(LEVELDB_S) // 2]:.1f} s, longest {max(LEVELDB_S):.1f} s), in random order; "
        f"make has `-j` five times the slots, but {_WAITING[0]} to {_WAITING[1]} over them. Use is the time that jobs "
        "were to take, of all slots' time from the first job's start to the last one's end. In the first build nobody "
        "knows how long a job takes; later the longest of those that make has released go first. Make, its clients, "
        "the master and the slaves share this machine; CPU is that of each job.",
        "slots", ("slaves", "jobs", "first build", "later", "master", "make and clients", "slaves'", "memory"),
        tuple(rows), tuple(bars),
    )  # fmt: skip


def _cost(setting: Setting, farms: Sequence[tuple[int, int, float]], counts: Sequence[int]) -> Table:
    rows = []
    medians = []
    for slots, slaves, _ in farms:
        with Simulated(Site(setting.directory / f"cost-{slots}"), slots, slaves) as farm:
            fewer, spent = 0, 0.0
            for count in counts:
                commands = [f"sleep {slots / _RATE:.3f}"] * count
                project = recipes(setting.directory / f"even-{slots}-{count}", commands, "sleep")
                turns = range(max(1, setting.repeats // 2))
                found = [farm.dispatch(project, [_window(slots)], _SECONDS) for _ in turns]
                cells = _costs(found)
                if fewer:
                    more = Figure("us", tuple(1e6 * (one.master_s - spent) / (one.jobs - fewer) for one in found))
                    cells["each more"] = more
                    medians.append(more.median)
                    setting.say(f"{slots} slots, from {fewer} to {count} jobs: {more.median:.0f} us each")
                rows.append(Row(f"{slots:,} on {slaves} slaves, {count:,} jobs", cells))
                fewer, spent = count, statistics.median(one.master_s for one in found)
    return Table(
        "Cost of a job by the size of the farm",
        f"Jobs that all take the same time, such that full slots end {_RATE:.0f} a second. CPU of each job. *Each "
        "more* is what the master spends on each job beyond those of the line before: start-up is not in it, nor the "
        "first jobs, which make releases all at once, so that they cost less.",
        "slots, slaves and jobs", ("each more", "master", "make and clients", "slaves'", "memory"), tuple(rows),
        (Bar("dearest job more of the master, over the cheapest", max(medians) / min(medians), 1.25),),
    )  # fmt: skip


def _window(slots: int) -> str:
    """What waits should be more than the longest job takes: so it is never alone at the end."""
    return f"-j{slots + min(max(4 * slots, _WAITING[0]), _WAITING[1])}"


def _costs(found: Sequence[Dispatched]) -> dict[str, Figure | str]:
    def per_job(seconds: Iterator[float]) -> Figure:
        return Figure("us", tuple(1e6 * each / one.jobs for each, one in zip(seconds, found, strict=True)))

    return {
        "master": per_job(one.master_s for one in found),
        "make and clients": per_job(one.make_s for one in found),
        "slaves'": per_job(one.slaves_s for one in found),
        "memory": Figure("MB", tuple(one.memory / 1e6 for one in found)),
    }
