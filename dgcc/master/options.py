"""What a build is told before it starts. Light to load: make is started before the rest is."""

from pathlib import Path

from msgspec import Struct

from dgcc.master.verdict.rules import Rules
from dgcc.naming.place import Place
from dgcc.trust.tls import Credentials


class BuildOptions(Struct, frozen=True):
    """What the command line, the environment and the config file say."""

    naming: Place | None
    credentials: Credentials | None  # those of this master in the farm at `naming`
    local_slave: int
    local_jobs: int
    home_first: int
    roots: tuple[bytes, ...]
    directory: bytes
    report: Path | None
    recording: Path | None
    driver: list[str]
    arguments: list[str]
    verbose: bool
    rules: Rules
    compare: bool
    simulate: bool = False  # only slaves that simulate are let in, and nobody is to learn from what they say
