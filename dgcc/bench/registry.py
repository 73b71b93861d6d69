"""The benchmarks by name: each is a module with `run(setting) -> Iterator[Table]`, imported when it is wanted."""

import importlib
from collections.abc import Callable, Iterator

from dgcc.bench.figures import Table
from dgcc.bench.setting import Setting

Benchmark = Callable[[Setting], Iterator[Table]]

#: name: (module, what it measures), in the order in which they run
BENCHMARKS = {
    "developer": ("dgcc.bench.developer", "CPU of the developer's machine for each remote compile"),
    "one": ("dgcc.bench.one", "a farm of one with two slots against make -j2"),
    "dispatch": ("dgcc.bench.dispatch", "remote jobs a second through one master"),
    "scale": ("dgcc.bench.scale", "share of slot time in use with many simulated slaves"),
    "wire": ("dgcc.bench.wire", "bytes for each job, first and second build"),
    "farm": ("dgcc.bench.farm", "wall time of whole builds with the same number of slots"),
    "seam": ("dgcc.bench.seam", "calls through the CORBA seam, and what TLS costs"),
}


def load(name: str) -> Benchmark:
    """The benchmark of this name. Raises KeyError for an unknown one, ImportError for one that is not there."""
    run: Benchmark = importlib.import_module(BENCHMARKS[name][0]).run
    return run
