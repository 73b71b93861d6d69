"""What a benchmark hands back: tables of figures, with their raw samples, and the bars for them."""

import statistics
from collections.abc import Mapping

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One quantity, measured several times. unit: "s", "ms", "MB", ...; empty for a ratio or a plain number."""

    unit: str
    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("a figure needs at least one sample")

    @property
    def median(self) -> float:
        """The middle of the samples."""
        return statistics.median(self.samples)

    def over(self, other: "Figure") -> "Figure":
        """The ratio of the two medians, as a figure of its own."""
        return Figure("", (self.median / other.median if other.median else float("inf"),))


class Row(Struct, frozen=True):
    """One line of a table. cells: by column; a text says why there is no figure, or what the row is about."""

    name: str
    cells: Mapping[str, Figure | str]


class Bar(Struct, frozen=True):
    """What is asked of a figure. most: `bound` is the most that is allowed, else the least. value None: no figure."""

    what: str
    value: float | None
    bound: float
    most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it is as asked; without a figure it is not."""
        if self.value is None:
            return False
        return self.value <= self.bound if self.most else self.value >= self.bound


class Table(Struct, frozen=True):
    """What one benchmark found. first: the heading of the rows' names. about: sentences for readers, Markdown."""

    title: str
    about: str
    first: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...] = ()
    notes: tuple[str, ...] = ()
