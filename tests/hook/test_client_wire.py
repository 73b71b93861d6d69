"""The encoding between client and master, over any bytes."""

import struct
import subprocess
from pathlib import Path

import pytest
from hook.hookrun import build, write
from hypothesis import given
from hypothesis import strategies as st

from dgcc.master import wire

words = st.binary(max_size=20).map(lambda word: word.replace(b"\0", b"0"))  # the system has none with NUL
requests = st.builds(
    wire.Request,
    program=st.binary(min_size=1, max_size=20).map(lambda word: word.replace(b"\0", b"0")),
    argv=st.lists(words, min_size=1, max_size=5).map(tuple),
    environment=st.lists(words, max_size=5).map(tuple),
    cwd=words,
    target=words,
    umask=st.integers(0, 0o7777),
    same_file=st.booleans(),
    out_tty=st.booleans(),
    err_tty=st.booleans(),
)


@given(requests)
def test_requests_come_back(request_: wire.Request) -> None:
    assert wire.decode_request(wire.encode_request(request_)) == request_


@given(requests, st.data())
def test_a_truncated_request_is_refused(request_: wire.Request, data: st.DataObject) -> None:
    whole = wire.encode_request(request_)
    with pytest.raises(wire.WireError):
        wire.decode_request(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(wire.WireError):
        wire.decode_request(whole + b"\0")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_one_error(payload: bytes) -> None:
    for read in (wire.decode_request, wire.decode_failed, wire.decode_status, wire.decode_usage):
        try:
            read(payload)
        except wire.WireError as error:
            assert str(error)


def test_another_version_is_named() -> None:
    with pytest.raises(wire.WireError, match="version 9 .* speaks 1; reinstall"):
        wire.decode_request(b"\x09\x00" + bytes(60))
    with pytest.raises(wire.WireError, match="version 9"):
        wire.decode_failed(b"\x09\x00" + bytes(8))
    with pytest.raises(wire.WireError, match="version 9"):
        wire.decode_usage(b"\x09\x00" + bytes(12))


def test_usage_is_told_in_seconds_and_bytes() -> None:
    payload = b"\1\0" + struct.pack("<iII", 77, 1500, 2048)
    assert wire.decode_usage(payload) == (77, 1.5, 2 << 20)


def test_frames_to_the_client() -> None:
    assert wire.encode(wire.Kind.LOCAL) == b"\0\0\0\0\x10"
    assert wire.encode_output(1, b"ab") == b"\2\0\0\0\x12ab"
    assert wire.encode_output(2, b"ab") == b"\2\0\0\0\x13ab"
    assert wire.encode_output(1, b"") == b""
    assert wire.encode_end(3, 0) == b"\4\0\0\0\x14\3\0\0\0"
    assert wire.encode_end(3, 9) == b"\4\0\0\0\x15\x09\0\0\0"


def test_kinds_and_version_are_those_of_the_header(tmp_path: Path) -> None:
    """The C side is the other half of the same numbers."""
    source = Path(wire.__file__).parents[1] / "native"
    program = "".join(f'printf("{kind.name} %d\\n", WIRE_{kind.name});' for kind in wire.Kind)
    program = (
        '#include <stdio.h>\n#include "wire.h"\nint main(void) {'
        + program + 'printf("%d %d %d\\n", WIRE_VERSION, WIRE_HEADER, WIRE_MAX); }'
    )
    binary = tmp_path / "numbers"
    subprocess.run(["cc", "-x", "c", "-", f"-I{source}", "-o", binary], input=program.encode(), check=True)
    lines = subprocess.run([binary], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [
        *(f"{kind.name} {kind.value}" for kind in wire.Kind),
        f"{wire.VERSION} {wire.HEADER.size} {wire.MAX_PAYLOAD}",
    ]


def test_bytes_that_are_no_text_pass_unchanged(tmp_path: Path) -> None:
    odd = bytes(range(1, 256)).replace(b"\n", b"").replace(b"#", b"").replace(b"$", b"").replace(b"'", b"")
    odd = odd.replace(b"\\", b"").replace(b"\t", b"")
    (tmp_path / "Makefile").write_bytes(b"export ODD = x" + odd + b"y\nall:\n\t@true 'x" + odd + b"y'\n")
    (request,) = build(tmp_path, "make").master.requests
    assert any(b"x" + odd + b"y" in word for word in request.argv)
    assert b"ODD=x" + odd + b"y" in request.environment


def test_terminals_are_told(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all:\n\t@true\n")
    (request,) = build(tmp_path, "make").master.requests
    assert not request.out_tty and not request.err_tty
