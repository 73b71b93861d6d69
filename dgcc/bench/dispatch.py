"""How many remote jobs a second one master gets through, and what each costs it."""

from collections.abc import Iterator, Sequence

from dgcc.bench.farms.ours import Dgcc
from dgcc.bench.farms.simulated import Dispatched, Simulated, dispatch
from dgcc.bench.figures import Bar, Figure, Row, Table
from dgcc.bench.flat import recipes
from dgcc.bench.setting import Setting
from dgcc.bench.site import Site

_LEAST = 400.0  # jobs a second
_COUNT, _LARGE = 2_000, 10_000
_SLOTS, _WINDOW = 128, 256
_SECONDS = 600.0


def run(setting: Setting) -> Iterator[Table]:
    """The table of what was dispatched."""
    counts = (_COUNT,) if setting.quick else (_COUNT, _LARGE)
    projects = {count: recipes(setting.directory / f"flat-{count}", ["true"] * count, "true") for count in counts}
    rows, rates = [], {}
    with Simulated(Site(setting.directory / "simulated"), _SLOTS) as farm:
        for count, project in projects.items():
            repeats = setting.repeats if count == _COUNT else max(1, setting.repeats // 2)
            found = []
            for number in range(repeats):
                found.append(farm.dispatch(project, [f"-j{_WINDOW}"], _SECONDS))
                rate = found[-1].jobs / found[-1].wall_s
                setting.say(f"{count} jobs, {number + 1} of {repeats}: {rate:.0f} a second")
            rates[count] = Figure("jobs/s", tuple(each.jobs / each.wall_s for each in found))
            rows.append(_row(f"{count:,}, simulated slaves", rates[count], found))
    with Dgcc(Site(setting.directory / "real"), 2) as real:
        real.build(projects[_COUNT], ["t0"], _SECONDS)  # has the environment brought
        found = [dispatch(real, projects[_COUNT], [], _SECONDS)]
        rows.append(_row(f"{_COUNT:,}, a real slave of 2 slots", Figure("jobs/s", (found[0].jobs / found[0].wall_s,)),
                         found))  # fmt: skip
    yield Table(
        "Dispatch",
        f"Recipes `true` without files, sent by a rule through one master. The simulated slave has {_SLOTS} slots and "
        f"make `-j{_WINDOW}`; jobs there take no time. A real slave starts a jail for each. Make, its clients, the "
        "master and the slave share this machine; the wall time has the start and the end of the build in it. CPU is "
        "that of each job, start-up included.",
        "recipes", ("rate", "master", "make and clients", "slave", "master's memory"), tuple(rows),
        tuple(Bar(f"{count:,} recipes", rate.median, _LEAST, False, "jobs/s") for count, rate in rates.items()),
    )  # fmt: skip


def _row(name: str, rate: Figure, found: Sequence[Dispatched]) -> Row:
    def per_job(*seconds: float) -> Figure:
        return Figure("us", tuple(1e6 * each / one.jobs for each, one in zip(seconds, found, strict=True)))

    return Row(name, {
        "rate": rate,
        "master": per_job(*(each.master_s for each in found)),
        "make and clients": per_job(*(each.make_s for each in found)),
        "slave": per_job(*(each.slaves_s for each in found)),
        "master's memory": Figure("MB", tuple(each.memory / 1e6 for each in found)),
    })  # fmt: skip
