"""Data by which programs speak as they do at home: locales, translated messages, terminals, zones of time."""

import glob
import os
from collections.abc import Iterable, Mapping

from dgcc.master.environment.parts import Collection

_LOCALES = b"/usr/lib/locale"
_ARCHIVE_BYTES = 32 << 20  # a larger one holds every locale there is, and comes only where one of them is used
_PLAIN = frozenset((b"", b"C", b"POSIX", b"C.UTF-8", b"C.utf8"))
_TERMINALS = (b"/etc/terminfo", b"/lib/terminfo", b"/usr/share/terminfo")
_FEW = 500
_DOMAINS = b"libc coreutils sed grep diffutils findutils bash gawk make tar xz binutils".split()


def add_locales(environ: Mapping[bytes, bytes], to: Collection) -> None:
    """C.UTF-8, what the user's variables name, and the messages of the plain tools."""
    named = {value for name, value in environ.items() if name == b"LANG" or name.startswith(b"LC_")}
    foreign = named - _PLAIN
    for name in (b"C.utf8", b"C.UTF-8", *_spellings(foreign)):
        if os.path.isdir(_LOCALES + b"/" + name):
            to.trees.add(_LOCALES + b"/" + name)
    archive = _LOCALES + b"/locale-archive"
    if os.path.isfile(archive) and (foreign or os.path.getsize(archive) <= _ARCHIVE_BYTES):
        to.files.add(archive)
    if os.path.isfile(b"/usr/share/locale/locale.alias"):
        to.files.add(b"/usr/share/locale/locale.alias")
    to.files.update(catalogues(b"/usr", environ, _DOMAINS))


def _spellings(locales: Iterable[bytes]) -> set[bytes]:
    """Names of directories: de_DE.UTF-8 lies in de_DE.utf8, and its parts may lie in de_DE or de."""
    found = set()
    for name in locales:
        if b"/" in name:
            continue
        place, _, charset = name.partition(b".")
        charset, _, variant = charset.partition(b"@")
        normal = charset.lower().replace(b"-", b"")
        at = b"@" + variant if variant else b""
        found |= {name, place, place + b"." + normal + at, place.partition(b"_")[0]}
    return found


def catalogues(prefix: bytes, environ: Mapping[bytes, bytes], domains: Iterable[bytes]) -> list[bytes]:
    """The translations below `prefix` of the user's language; `domains` are the beginnings of their names."""
    languages = [part for part in environ.get(b"LANGUAGE", b"").split(b":") if part]
    languages += [environ.get(name, b"") for name in (b"LC_ALL", b"LC_MESSAGES", b"LANG")]
    found = []
    for language in sorted(_spellings(set(languages) - _PLAIN)):
        for share in (b"/share/locale", b"/share/locale-langpack"):
            place = prefix.rstrip(b"/") + share + b"/" + language + b"/LC_MESSAGES"
            for domain in domains:
                found += glob.glob(glob.escape(place) + b"/" + domain + b"*.mo")
    return found


def add_terminals(environ: Mapping[bytes, bytes], to: Collection) -> None:
    """What clang asks for whether a terminal has colours."""
    term = environ.get(b"TERM", b"")
    for place in _TERMINALS:
        if os.path.isdir(place) and sum(len(names) for _, _, names in os.walk(place)) < _FEW:
            to.trees.add(place)
        elif term and b"/" not in term:
            for name in (place + b"/" + term[:1] + b"/" + term, place + b"/%02x/" % term[0] + term):
                if os.path.isfile(name):
                    to.files.add(name)


def add_zones(environ: Mapping[bytes, bytes], to: Collection) -> None:
    """All zones: a recipe may name any in TZ."""
    if os.path.isdir("/usr/share/zoneinfo"):
        to.trees.add(b"/usr/share/zoneinfo")
    for name in (b"/etc/localtime", b"/etc/timezone"):
        if os.path.exists(name):
            to.files.add(name)
        else:
            to.absent.add(name)


def add_charsets(libc: Iterable[bytes], to: Collection) -> None:
    """The modules of iconv beside each libc: gcc's -finput-charset loads them, whatever the locale is."""
    for path in libc:
        place = os.path.dirname(path) + b"/gconv"
        if os.path.basename(path) == b"libc.so.6" and os.path.isdir(place):
            to.trees.add(place)
