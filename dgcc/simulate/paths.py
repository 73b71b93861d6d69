"""The longest paths of a graph, makes that recipes run included."""

from collections.abc import Sequence


def longest_paths(
    awaited: Sequence[Sequence[int]], seconds: Sequence[float], within: Sequence[int | None] | None = None
) -> list[float]:
    """Return for each job, by its place, the seconds of the longest path that begins with it, itself included.

    `awaited`: for each job the places of those that must end before it starts; they are earlier ones, as in the order
    in which make would run all, and others are left out. `seconds`: of each job alone. `within`: for each job the
    (earlier) place of the job whose recipe runs the make that it belongs to, if any does: that one ends after it, and
    those that await that one come later.
    """
    after = [0.0] * len(seconds)  # the longest path from the job's end on
    below = [0.0] * len(seconds)  # the longest path that begins with a job of a make that it runs
    paths = [0.0] * len(seconds)
    for place in range(len(seconds) - 1, -1, -1):
        above = within[place] if within is not None else None
        if above is not None and after[above] > after[place]:
            after[place] = after[above]
        path = paths[place] = seconds[place] + max(after[place], below[place])
        if above is not None and path > below[above]:
            below[above] = path
        for before in awaited[place]:
            if before < place and path > after[before]:
                after[before] = path
    return paths
