"""What every benchmark is given: where it may write, how often it measures, how it tells how far it is."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct


class BenchFailed(Exception):
    """Something that was to be measured cannot be; the message is one line for the table."""


class Setting(Struct, frozen=True):
    """directory: private, removed at the end. repeats: samples of each figure. say: prints one line of progress.

    quick, long: fewer workloads are wanted, or all of them in full.
    """

    directory: Path
    repeats: int
    quick: bool
    say: Callable[[str], None]
    long: bool = False
