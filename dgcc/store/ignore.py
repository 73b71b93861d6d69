"""Private files: patterns in the manner of .gitignore for what never leaves the developer's machine."""

import os
import re
import warnings
from collections.abc import Callable, Iterable

from dgcc.store.errors import BadPattern, shown

_STARS = re.compile(r"\*+")
_MOST_STARS = 8

Ignores = Callable[[bytes, bool], bool]
"""(path relative to the root, whether it is a directory) -> whether a pattern matches it."""


def compiled(patterns: Iterable[bytes]) -> Ignores | None:
    """One test for all patterns; None if there are none. It is true below a matching directory, too.

    `*.key` matches at any depth, `/only` at the top, `dir/` directories, `private/**` all that is in one.
    Comments and empty lines match nothing. Raises BadPattern for one that cannot be read, or that takes
    something back (`!keep`): what is private once stays so.
    """
    with warnings.catch_warnings():
        # Of brackets that a later Python may read otherwise: nothing to tell a user in the middle of a build.
        warnings.simplefilter("ignore", FutureWarning)
        parts = [part for part in map(_part, patterns) if part]
        if not parts:
            return None
        # One expression for all: tried one by one, as many as a project has would cost more than the look at the file.
        match = re.compile("|".join(f"(?:{part})" for part in parts), re.DOTALL).match

    def ignores(path: bytes, directory: bool) -> bool:
        return match(os.fsdecode(path + b"/" if directory else path)) is not None

    return ignores


def _part(pattern: bytes) -> str:
    from pathspec import PathSpec, RegexPattern  # only here: most projects have no patterns, and it is large

    said = f"the ignore pattern '{shown(pattern)}'"
    text = os.fsdecode(pattern)
    if text.startswith("!"):
        raise BadPattern(f"{said} takes something back, which is not possible; remove it")
    if len(_STARS.findall(text)) > _MOST_STARS and not text.startswith("#"):
        raise BadPattern(f"{said} has more than {_MOST_STARS} wildcards, which takes long to match; simplify it")
    text = _STARS.sub(lambda stars: stars[0][:2], text)  # more than two in a row are one, to git; each takes its time
    try:
        read = PathSpec.from_lines("gitignore", [text]).patterns
    except (ValueError, re.error) as error:
        raise BadPattern(f"{said} cannot be read; write it as in .gitignore") from error
    return "|".join(p.regex.pattern for p in read if isinstance(p, RegexPattern) and p.include and p.regex)
