"""What comes along for the user's language."""

import os
from pathlib import Path

import pytest

from dgcc.master.environment.locales import add_locales, add_terminals, catalogues
from dgcc.master.environment.parts import Collection

DOMAINS = (b"gcc", b"cpplib")


@pytest.fixture
def prefix(tmp_path: Path) -> bytes:
    for name in ("de/gcc-12", "de/other", "de_AT/cpplib-12", "fr/gcc-12"):
        file = tmp_path / "share/locale" / name.replace("/", "/LC_MESSAGES/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".mo").write_text("")
    return os.fsencode(tmp_path)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, set()),
        ({b"LANG": b"C.UTF-8", b"LC_ALL": b"C"}, set()),
        ({b"LANG": b"de_AT.UTF-8"}, {"de/gcc-12.mo", "de_AT/cpplib-12.mo"}),
        ({b"LC_MESSAGES": b"de_DE@euro"}, {"de/gcc-12.mo"}),
        ({b"LANG": b"en_GB.UTF-8", b"LANGUAGE": b"en:fr"}, {"fr/gcc-12.mo"}),
        ({b"LANG": b"../../etc"}, set()),
    ],
)
def test_messages_of_the_users_language(environ: dict[bytes, bytes], expected: set[str], prefix: bytes) -> None:
    found = {os.fsdecode(path) for path in catalogues(prefix, environ, DOMAINS)}
    place = os.fsdecode(prefix) + "/share/locale/"
    assert {path.removeprefix(place).replace("/LC_MESSAGES", "") for path in found} == expected


def test_hostile_variables_do_no_harm() -> None:
    to = Collection()
    environ = {b"LANG": b"\xff[*", b"LC_ALL": b"/", b"LANGUAGE": b":::", b"TERM": b"../../x"}
    add_locales(environ, to)
    add_terminals(environ, to)
    assert all(path.startswith((b"/usr/", b"/lib/", b"/etc/")) for path in to.files | to.trees)
