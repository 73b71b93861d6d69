"""The command `dgcc`: questions about a project's builds and about a farm; the farm's names and authority."""

import argparse
import logging
import os
import sys

import dgcc
from dgcc.cli import ca, names
from dgcc.cli.config import ConfigError
from dgcc.cli.place import add_options
from dgcc.cli.rules import load_rules
from dgcc.master.environment.environments import Environments
from dgcc.master.explain import ExplainError, as_json, as_text, ask, explain
from dgcc.master.roots import choose_roots, working_directory
from dgcc.naming.orb import OrbError
from dgcc.naming.place import NamingError
from dgcc.naming.sender import Sender
from dgcc.trust.tls import TrustError

_TROUBLE = 2


def parser() -> argparse.ArgumentParser:
    """The command line of dgcc."""
    p = argparse.ArgumentParser(prog="dgcc", description="Ask about a project's builds, and run a farm.")
    p.add_argument("--version", action="version", version=f"dgcc {dgcc.__version__}")
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    e = commands.add_parser(
        "explain",
        usage="dgcc explain [options] TARGET [make's own arguments]",
        help="what would become of a target: its commands, the verdict on each and why, and its last build",
        description="Say what dgcc-master would do with the recipe of one target, and why. Nothing is built.",
        epilog="Give make's arguments as you would to dgcc-master: dgcc explain -C src main.o -f my.mk V=1",
        allow_abbrev=False,
    )
    e.add_argument("-C", "--directory", action="append", default=[], metavar="DIR", help="as make's -C")
    e.add_argument("--root", action="append", default=[], metavar="DIR",
                   help="as dgcc-master's --root; repeatable (default: the version-control root)")
    e.add_argument("--json", action="store_true", help="say it as JSON")
    e.add_argument("target", metavar="TARGET", help="as make names it, or a path from this directory on")
    e.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    e.set_defaults(run=_explain)
    s = commands.add_parser("status", help="what the farm's masters and slaves are doing",
                            description="Ask every slave of the farm what it is doing.")
    s.add_argument("--naming", metavar="HOST[:PORT]",
                   help="the farm's naming service (else DGCC_NAMING, else the config file)")
    add_options(s)
    s.add_argument("--json", action="store_true", help="say it as JSON")
    s.set_defaults(run=_status)
    names.add_parser(commands)
    ca.add_parser(commands)
    return p  # fmt: skip


def main() -> int:
    """Run dgcc; returns its exit code: 0, or 2 where it cannot do what it is asked."""
    args = parser().parse_args()
    try:
        code = int(args.run(args))
    except (ConfigError, ExplainError, NamingError, OrbError, TrustError, ValueError, OSError) as error:
        print(f"dgcc: {error}", file=sys.stderr)
        code = _TROUBLE
    if Sender.stuck:  # the end of the interpreter would wait for what it is stuck in
        sys.stderr.flush()
        os._exit(code)
    return code


def _explain(args: argparse.Namespace) -> int:
    """Raises ConfigError, ExplainError, ValueError for roots that cannot be, OSError."""
    arguments = [word for directory in args.directory for word in ("-C", directory)] + args.arguments
    arguments = [word for word in arguments if word != "--"]
    start = os.getcwdb()
    directory = working_directory(arguments, start)
    roots = choose_roots(args.root, directory, os.path.realpath(start))
    asked = ask(os.fsencode(args.target), arguments, roots, directory)
    rules = load_rules(roots[0])
    environments = Environments()
    try:
        told = explain(asked, roots, rules, environments)
    finally:
        environments.close()
    return _say(as_json(told) + "\n" if args.json else as_text(told, start))


def _status(args: argparse.Namespace) -> int:
    """Raises ConfigError, NamingError, OrbError, TrustError."""
    from dgcc.cli.status import ask

    logging.basicConfig(format="dgcc: %(message)s", level=logging.WARNING, stream=sys.stderr)
    status = ask(args)
    return _say(status.as_json() if args.json else status.as_text())


def _say(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
