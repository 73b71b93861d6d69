"""The commands `dgcc ca`: the farm's own authority, which says who belongs to the farm and as what."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgcc.trust.tls import PEER, REVOKED, ROLES

if TYPE_CHECKING:
    from dgcc.trust.authority import Authority

_MOST_DAYS = 36500


def default_authority() -> Path:
    """Where the authority is, if it is not told."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")) / "dgcc" / "ca"


def add_parser(commands: Any) -> None:
    """Add the command to those of `dgcc`."""
    p = commands.add_parser(
        "ca",
        help="the farm's authority: make it, issue and revoke certificates",
        description="Decide who belongs to the farm. Do this on one machine, and keep its key there.",
    )
    verbs = p.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], str], text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(run=lambda args: _print(run(args)))
        return made

    init = verb("init", _init, "make an authority")
    init.add_argument("ca", nargs="?", type=Path, metavar="DIR", default=default_authority(),
                      help="a new directory for it (default: %(default)s)")
    init.add_argument("--days", type=_days, default=3650, metavar="N", help="how long it lasts (default: %(default)s)")
    issue = verb("issue", _issue, "issue a certificate: a directory to copy to its host")
    issue.add_argument("name", metavar="NAME", help="whose: for a slave, its name in the farm")
    for role, text in (("master", "it may run builds"), ("slave", "it may run jobs"), ("naming", "it may be asked "
                       "for names: `dgcc names`")):  # fmt: skip
        issue.add_argument(f"--{role}", action="store_true", help=f"{text}; may be combined")
    issue.add_argument("--days", type=_days, default=730, metavar="N", help="how long it lasts (default: %(default)s)")
    issue.add_argument("--out", type=Path, metavar="DIR", help="the directory to make (default: ./NAME)")
    revoke = verb("revoke", _revoke, "revoke all certificates of a name")
    revoke.add_argument("name", metavar="NAME")
    listed = verb("list", _list, "say what was issued")
    for each in (issue, revoke, listed):
        each.add_argument("--ca", type=Path, metavar="DIR", default=default_authority(),
                          help="the authority's directory (default: %(default)s)")
    # fmt: skip


def _days(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of days from 1 to {_MOST_DAYS}")
    return int(text)


def _print(text: str) -> int:
    print(text)
    return 0


def _authority(args: argparse.Namespace) -> "Authority":
    from dgcc.trust.authority import Authority  # only here: what it needs takes long to load

    return Authority(args.ca.absolute())


def _init(args: argparse.Namespace) -> str:
    authority = _authority(args)
    authority.make(args.days)
    return (
        f"{authority.directory} is the authority of a new farm. Whoever reads its key can join the farm as anything.\n"
        "Next: dgcc ca issue NAME --slave, for each host; --master and --naming where those run"
    )


def _issue(args: argparse.Namespace) -> str:
    place = args.out or Path(args.name)
    roles = [role for role in ROLES if getattr(args, role)]
    issued = _authority(args).issue(args.name, roles, place.absolute(), args.days)
    return (
        f"{place}/ makes its host '{issued.name}' a {' and '.join(issued.roles)} until {issued.ends[:10]}. "
        f"Copy it there, as ~/.config/dgcc/tls,\nand keep {place / PEER} secret: scp -rp {place} HOST:.config/dgcc/tls"
    )


def _revoke(args: argparse.Namespace) -> str:
    authority = _authority(args)
    count = authority.revoke(args.name)
    what = "1 certificate" if count == 1 else f"{count} certificates"
    return (
        f"{what} of '{args.name}' revoked. Copy {authority.directory / REVOKED}\n"
        "to ~/.config/dgcc/tls on every host of the farm: whatever runs there takes it up within a second or two"
    )


def _list(args: argparse.Namespace) -> str:
    authority = _authority(args)
    rows = [
        f"{entry.name:24}{', '.join(entry.roles):24}"
        + (f"revoked {entry.revoked[:10]}" if entry.revoked else f"until {entry.ends[:10]}")
        for entry in authority.issued()
    ]
    return "\n".join([f"the authority in {authority.directory}, its revocation list {REVOKED}", *rows])
