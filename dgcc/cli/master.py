"""The command `dgcc-master`: make, on every free CPU of the farm."""

import argparse
import contextlib
import gc
import logging
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import dgcc
import dgcc.cli.loading  # before all that takes long
from dgcc.cli.config import ConfigError, load
from dgcc.cli.place import add_options, join_farm
from dgcc.cli.rules import load_rules
from dgcc.cli.spare import SpareSlave, flush
from dgcc.master.driver import DriverError
from dgcc.master.options import BuildOptions
from dgcc.master.roots import choose_roots, working_directory
from dgcc.master.start import Start
from dgcc.naming.deadlines import set_deadlines
from dgcc.naming.orb import OrbError
from dgcc.naming.place import NamingError, parse_address
from dgcc.store.errors import StoreError
from dgcc.trust.tls import MASTER, SLAVE, TrustError

dgcc.cli.loading.loaded()

_MAKE_TROUBLE = 2  # what make itself exits with when it cannot work
_DIFFERENT = 3


def parser() -> argparse.ArgumentParser:
    """The command line of dgcc-master."""
    p = argparse.ArgumentParser(
        prog="dgcc-master",
        usage="dgcc-master [options] [--] [make's own arguments]",
        description="Run make in this directory, with its compiles on every free CPU of the farm.",
        epilog="Everything else goes to make unchanged, as in: dgcc-master -C src -j8 V=1 all. "
        "`dgcc explain TARGET` says what would become of one target, and why.",
        allow_abbrev=False,
    )
    p.add_argument("--naming", metavar="HOST[:PORT]",
                   help="the farm's naming service (else DGCC_NAMING, else the config file; else a farm of one)")
    add_options(p)
    p.add_argument("--local-slave", type=int, metavar="N",
                   help="slots of a slave on this host; 0: none (default: all CPUs for a farm of one, else 0)")
    p.add_argument("--local-jobs", type=int, metavar="N",
                   help="recipes run at home at once (default: one for each CPU)")
    p.add_argument("--home-first", type=int, metavar="N",
                   help="compiles run at home, if fewer than N run there, until the first slave has joined (default: "
                   "as --local-jobs for a farm of one, else 0)")
    p.add_argument("--root", action="append", default=[], metavar="DIR",
                   help="a directory tree that jobs see; repeatable (default: the version-control root)")
    p.add_argument("--report", type=Path, metavar="FILE", help="write the build's figures as JSON")
    p.add_argument("--record", type=Path, metavar="FILE",
                   help="write what ran, and what awaited what, for `python -m dgcc.simulate`; FILE.gz: compressed")
    p.add_argument("--driver", default="make", metavar="CMD",
                   help="what to run instead of make: ninja, 'cmake --build b'")
    p.add_argument("--compare", action="store_true",
                   help="run every remote recipe at home as well and report each byte that differs; exit code "
                   f"{_DIFFERENT} if any does and make itself succeeded")
    p.add_argument("--simulate", action="store_true",
                   help="take only slaves that simulate: nothing that travels is made; for measuring")
    p.add_argument("-v", "--verbose", action="store_true", help="say what happens to each recipe, and why")
    p.add_argument("--version", action="version", version=f"dgcc-master {dgcc.__version__}")
    return p  # fmt: skip


def options(argv: list[str]) -> BuildOptions:
    """Read the command line, the environment and the config file. Raises ConfigError, NamingError, OrbError or
    TrustError."""
    # "-vk" is -v and make's -k.
    argv = [part for a in argv for part in (("-v", f"-{a[2:]}") if re.fullmatch("-v[a-zA-Z]+", a) else (a,))]
    cut = argv.index("--") if "--" in argv else len(argv)
    args, rest = parser().parse_known_args(argv[:cut])
    rest += argv[cut + 1 :]
    settings = load()
    set_deadlines(settings["deadlines"])
    naming = args.naming or settings.get("naming")
    cpus = len(os.sched_getaffinity(0))

    def setting(name: str, default: int, least: int) -> int:
        value = getattr(args, name)
        value = settings.get(name, default) if value is None else value
        if value < least:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}")
        return int(value)

    for option, path in (("--report", args.report), ("--record", args.record)):
        if path is not None and not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{option} {path}: its directory does not exist or cannot be written")
    try:
        driver = shlex.split(args.driver)
    except ValueError as error:
        raise ConfigError(f"--driver {args.driver}: {error}") from error
    if not driver:
        raise ConfigError("--driver names no command")
    if args.simulate and (args.compare or not naming or args.local_slave):
        raise ConfigError("--simulate needs a farm of slaves that simulate: give --naming, and no --compare or "
                          "--local-slave")
    directory = working_directory(rest, os.getcwdb())
    try:
        roots = choose_roots(args.root, directory, os.path.realpath(os.getcwdb()))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    local_jobs = setting("local_jobs", cpus, 1)
    local_slave = setting("local_slave", 0 if naming else cpus, 0)
    member = join_farm(parse_address(naming), args, settings, MASTER, "dgcc") if naming else None
    credentials = member.credentials if member else None
    if local_slave and credentials is not None and SLAVE not in credentials.peer.roles:
        name = credentials.peer.name
        raise ConfigError(
            f"--local-slave needs a certificate for a slave, too, and that of '{name}' in {credentials.directory} is "
            f"for a master only: issue one with `dgcc ca issue {name} --master --slave`"
        )
    return BuildOptions(
        naming=member.place if member else None,
        credentials=credentials,
        local_slave=local_slave,
        local_jobs=local_jobs,
        home_first=setting("home_first", 0 if naming else local_jobs, 0),
        roots=roots,
        directory=directory,
        report=args.report,
        recording=args.record,
        driver=driver,
        arguments=rest,
        verbose=args.verbose,
        rules=load_rules(roots[0]),
        compare=args.compare,
        simulate=args.simulate,
    )


def main() -> int:
    """Run dgcc-master; returns make's exit code, or dies by the signal that ended the build."""
    logging.basicConfig(format="dgcc: %(message)s", level=logging.WARNING, stream=sys.stderr)
    start = None
    try:
        chosen = options(sys.argv[1:])
        # Before anything is there that a fork would not survive.
        spare = SpareSlave() if chosen.naming is None and chosen.local_slave else None
        if chosen.verbose:
            logging.getLogger("dgcc").setLevel(logging.DEBUG)
        if chosen.naming is None:  # where there is a farm to be reached, an unreachable one is told before make starts
            start = Start(chosen)
        gc.disable()
        from dgcc.master.build import Build  # while make reads its makefiles

        gc.enable()
        build = Build(chosen, spare, start)
        code = build.run()
    except (ConfigError, NamingError, OrbError, TrustError, DriverError, StoreError, OSError) as error:
        if start is not None:
            start.abandon()
        print(f"dgcc: {error}", file=sys.stderr)
        return _MAKE_TROUBLE
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the loop has left Python's own
    with contextlib.suppress(OSError):  # nobody may be reading any more
        build.print_summary(sys.stderr.write)
        sys.stderr.flush()
    for write, path in ((build.write_report, chosen.report), (build.write_recording, chosen.recording)):
        try:
            write()
        except OSError as error:
            print(f"dgcc: {path} cannot be written: {error.strerror or error}", file=sys.stderr)
            code = code or _MAKE_TROUBLE
    if build.differs:
        code = code or _DIFFERENT
    if build.signal:
        signal.signal(build.signal, signal.SIG_DFL)
        os.kill(os.getpid(), build.signal)
    return code


def command() -> None:
    """The program dgcc-master: `main`, and then the end at once.

    The interpreter would take 30 ms of CPU to clear away what ends with the process anyway, and wait for threads that
    are stuck in a peer which does not answer.
    """
    code = main()
    flush()
    os._exit(code)


if __name__ == "__main__":
    command()
