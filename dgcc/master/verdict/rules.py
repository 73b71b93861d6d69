"""What dgcc.toml and the user's configuration say about recipes: a frozen value, and how it is matched."""

import os
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from fnmatch import translate
from functools import lru_cache

from msgspec import Struct

DEFAULT_SECRETS = (
    "AWS_*KEY*", "AWS_*TOKEN*", "AZURE_*", "GOOGLE_*CREDENTIALS*", "*TOKEN", "*TOKENS", "*_TOKEN_*", "*SECRET*",
    "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*API_KEY*", "*APIKEY*", "*ACCESS_KEY*", "*PRIVATE_KEY*",
    "*CREDENTIAL*", "*_PAT", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "SUDO_ASKPASS", "GIT_ASKPASS",
    "GPG_*", "GNUPGHOME", "CI_JOB_JWT*", "CI_REGISTRY_*", "CI_DEPLOY_*", "DOCKER_AUTH_CONFIG", "DOCKER_HOST",
    "DOCKER_CERT_PATH", "NPM_CONFIG_*AUTH*", "KRB5*", "DBUS_*", "XAUTHORITY", "ICEAUTHORITY", "VAULT_*", "PGPASSFILE",
    "NETRC",
)  # fmt: skip
"""Globs of the names of environment variables that are secrets, whatever a configuration adds to them."""


class Where(Enum):
    """What a rule says about the recipes that it matches."""

    REMOTE = "remote"
    LOCAL = "local"
    NEVER = "never"


class Rule(Struct, frozen=True):
    """One [[rule]]. Of `command`, `target` and `directory`, globs, those that are not empty must all match.

    `inputs` are globs relative to the root, `environment` absolute paths outside the project, both only for
    Where.REMOTE; `origin` says for people where the rule stands, as in "dgcc.toml, rule 2".
    """

    where: Where
    command: bytes = b""
    target: bytes = b""
    directory: bytes = b""
    inputs: tuple[bytes, ...] = ()
    environment: tuple[bytes, ...] = ()
    origin: str = ""

    def fits(self, commands: Iterable[bytes], target: bytes, directory: bytes) -> bool:
        """Match the names of a recipe's `commands`, its `target` as make has it and its directory from the root on."""
        if self.command and not any(pattern(self.command).fullmatch(name) for name in commands):
            return False
        if self.target:
            names = (target, os.path.normpath(os.path.join(directory, target))) if target else ()
            if not any(pattern(self.target).fullmatch(name) for name in names):
                return False
        return not self.directory or pattern(self.directory).fullmatch(directory) is not None


class Rules(Struct, frozen=True):
    """All that configurations say: the project's rules and the user's, in the order in which they were written.

    `ignore` are globs of what is never mirrored; `secrets` globs of the names of environment variables that
    never travel.
    """

    project: tuple[Rule, ...] = ()
    user: tuple[Rule, ...] = ()
    ignore: tuple[bytes, ...] = ()
    secrets: tuple[str, ...] = DEFAULT_SECRETS

    def __bool__(self) -> bool:
        return bool(self.project or self.user)

    def choose(self, commands: Sequence[bytes], target: bytes, directory: bytes) -> Rule | None:
        """Return the rule that decides: any that says `never`, else the project's first match, else the user's."""
        fitting = [rule for rule in (*self.project, *self.user) if rule.fits(commands, target, directory)]
        return next((rule for rule in fitting if rule.where is Where.NEVER), fitting[0] if fitting else None)

    def is_secret(self, name: bytes) -> bool:
        """Tell whether the environment variable `name` never travels."""
        return _is_secret(name, self.secrets)


def travelling(environment: Iterable[bytes], rules: Rules) -> tuple[bytes, ...]:
    """Return those of the `environment`'s entries, NAME=value, that may go to a slave, in their order."""
    return _without(tuple(environment), rules.secrets)


# The recipes of a build have few environments, and these the same names.
@lru_cache(maxsize=32)
def _without(environment: tuple[bytes, ...], secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(entry for entry in environment if not _is_secret(entry.partition(b"=")[0], secrets))


@lru_cache(maxsize=4096)
def _is_secret(name: bytes, globs: tuple[str, ...]) -> bool:
    return any(_names(glob.encode(), name) for glob in globs)


def _names(glob: bytes, name: bytes) -> bool:
    """Match as fnmatchcase does; to compile a pattern for each glob would take a tenth of a second in every build."""
    if b"?" in glob or b"[" in glob:
        return re.fullmatch(translate(glob.decode()).encode(), name) is not None
    first, *parts = glob.split(b"*")
    if not parts:
        return name == first
    *parts, last = parts
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in parts:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


@lru_cache(maxsize=1024)
def pattern(glob: bytes) -> re.Pattern[bytes]:
    """Translate a glob: * and ? stop at a slash, ** does not; "src/**" is src too. Matched with fullmatch."""
    written: list[bytes] = []
    place = 0
    while place < len(glob):
        found = _GLOB.match(glob, place)
        assert found is not None
        place = found.end()
        match found[0]:
            case b"**/":
                written.append(rb"(?:.*/)?")
            case b"/**":
                written.append(rb"(?:/.*)?")
            case b"**":
                written.append(rb".*")
            case b"*":
                written.append(rb"[^/]*")
            case b"?":
                written.append(rb"[^/]")
            case text if text[:1] == b"[" and len(text) > 1:
                inner = text[1:-1].replace(b"\\", b"\\\\").replace(b"[", b"\\[")
                written.append(b"[" + (b"^/" + inner[1:] if inner[:1] in (b"!", b"^") else inner) + b"]")
            case text:
                written.append(re.escape(text))
    try:
        return re.compile(b"".join(written), re.DOTALL)
    except re.error:  # such as [z-a]
        return re.compile(re.escape(glob))


_GLOB = re.compile(rb"\*\*/|/\*\*(?=\Z)|\*\*|[*?]|\[[!^]?[^\]]+\]|.", re.DOTALL)
