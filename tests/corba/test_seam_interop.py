"""The seam with programs that are not ours: a C++ server and client by omniidl -bcxx, nameclt, catior."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corba.seam_types import plain

from dgcc.corba import ENGINE, CosNaming
from dgcc.corba.idlgen.compile import compile_idl

CXX = Path(__file__).resolve().parent / "cxx"
OPTIONS = ["-ORBendPoint", "giop:tcp:127.0.0.1:", "-ORBnativeCharCodeSet", "UTF-8"]


@pytest.fixture(scope="session")
def interop(tmp_path_factory: pytest.TempPathFactory, orb: Any) -> Any:
    """The IDL module as Python knows it."""
    out = tmp_path_factory.mktemp("interop")
    compile_idl([CXX / "interop.idl"], out, engine=ENGINE)
    sys.path.insert(0, str(out))
    return importlib.import_module("Interop")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled C++ programs `server` and `client`."""
    out = tmp_path_factory.mktemp("cxx")
    subprocess.run(["omniidl", "-bcxx", f"-C{out}", str(CXX / "interop.idl")], check=True)
    compiling = [
        subprocess.Popen(["g++", "-O0", f"-I{out}", "-c", str(source), "-o", str(out / f"{source.stem}.o")])
        for source in (out / "interopSK.cc", CXX / "server.cc", CXX / "client.cc")
    ]
    assert [one.wait() for one in compiling] == [0, 0, 0]
    for program in ("server", "client"):
        subprocess.run(
            ["g++", "-o", str(out / program), str(out / f"{program}.o"), str(out / "interopSK.o"),
             "-lomniORB4", "-lomnithread"],
            check=True,
        )
    return out


@pytest.fixture
def server(programs: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([str(programs / "server"), *OPTIONS], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_our_client_and_a_cxx_server(interop: Any, orb: Any, server: subprocess.Popen[str]) -> None:
    import Interop__POA

    assert server.stdout is not None
    far = orb.string_to_object(server.stdout.readline().strip())._narrow(interop.Exchange)
    assert far._get_name() == "C++ grüß"
    far._set_level(65535)
    assert far._get_level() == 65535
    items = [
        interop.Item("eins", interop.SMALL, -(1 << 63), 0.1, True, b"\0\1"),
        interop.Item("zwölf", interop.LARGE, 12, -1e300, False, b""),
    ]
    turned, count, note = far.reverse(items, "ärger")
    assert (plain(turned), count, note) == (plain(items[::-1]), 2, "ärger!")
    data = bytes(range(256)) * 1000
    assert far.invert(data) == bytes(255 - byte for byte in data)
    assert (far.next("a"), far.half(3)) == ("b", 1.5)
    with pytest.raises(interop.Broken) as caught:
        far.fail("weil", items[1])
    assert (caught.value.why, plain(caught.value.last)) == ("weil", plain(items[1]))
    assert far.itself()._is_equivalent(far)

    heard = []

    class Listener(Interop__POA.Listener):
        def heard(self, words: str, about: Any) -> None:
            heard.append((words, plain(about)))

    far.tell(Listener()._this(), "hör", items)
    assert heard == [("hör", plain(items))]
    far.stop()
    assert server.wait(timeout=20) == 0


def test_a_cxx_client_and_our_server(interop: Any, orb: Any, programs: Path) -> None:
    import Interop__POA

    stopped = []

    class Exchange(Interop__POA.Exchange):
        level = 3

        def _get_name(self) -> str:
            return "unserer, schön"

        def _get_level(self) -> int:
            return self.level

        def _set_level(self, value: int) -> None:
            self.level = value

        def reverse(self, given: Any, note: str) -> Any:
            return given[::-1], len(given), note + "?"

        def invert(self, data: Any) -> Any:
            return bytes(255 - byte for byte in data)

        def next(self, letter: str) -> str:
            return chr(ord(letter) + 1)

        def half(self, number: float) -> float:
            return number / 2

        def fail(self, why: str, last: Any) -> None:
            if not why:
                raise ValueError("not declared")
            raise interop.Broken(why, last)

        def itself(self) -> Any:
            return self._this()

        def stop(self) -> None:
            stopped.append(True)

    ior = orb.object_to_string(Exchange()._this())
    done = subprocess.run(
        [str(programs / "client"), ior, *OPTIONS], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "unserer, schön",
        "10",
        "2 note?",
        "zwölf 2 12 0.25 1 3",
        "eins 1 -5000000000 0.25 1 3",
        "1 b 1.5",
        "Broken why not eins",
        "UNKNOWN",
        "same 010",
    ]


def _nameclt(naming_service: str, *words: str) -> str:
    root = naming_service.replace("corbaname", "corbaloc") + "/NameService"
    command = ["nameclt", "-ORBInitRef", f"NameService={root}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def test_names_that_we_bind_nameclt_finds(naming_service: str, orb: Any, remote: Any) -> None:
    names = orb.string_to_object(naming_service)._narrow(CosNaming.NamingContextExt)
    farm = [CosNaming.NameComponent("farm", "")]
    context = names.bind_new_context(farm)
    context.rebind([CosNaming.NameComponent("one", "echo")], remote)
    assert "farm/" in _nameclt(naming_service, "list")
    assert "one.echo" in _nameclt(naming_service, "list", "farm")
    found = _nameclt(naming_service, "resolve", "farm/one.echo").strip()
    assert orb.string_to_object(found)._is_equivalent(remote)
    _nameclt(naming_service, "unbind", "farm/one.echo")
    with pytest.raises(CosNaming.NamingContext.NotFound) as caught:
        context.resolve([CosNaming.NameComponent("one", "echo")])
    assert caught.value.why == CosNaming.NamingContext.missing_node
    assert [part.id for part in caught.value.rest_of_name] == ["one"]
    names.unbind(farm)
    context.destroy()


def test_names_that_nameclt_binds_we_find(naming_service: str, orb: Any, remote: Any) -> None:
    names = orb.string_to_object(naming_service)._narrow(CosNaming.NamingContextExt)
    _nameclt(naming_service, "bind", "two.echo", orb.object_to_string(remote))
    assert names.resolve_str("two.echo").twice(4) == 8
    assert orb.string_to_object(naming_service + "#two.echo").twice(5) == 10
    with pytest.raises(CosNaming.NamingContext.AlreadyBound):
        names.bind(names.to_name("two.echo"), remote)
    names.unbind(names.to_name("two.echo"))


def test_listing_by_iterator(naming_service: str, orb: Any, remote: Any) -> None:
    names = orb.string_to_object(naming_service)._narrow(CosNaming.NamingContext)
    many = names.bind_new_context([CosNaming.NameComponent("many", "")])
    for number in range(10):
        many.bind([CosNaming.NameComponent(str(number), "k")], remote)
    first, iterator = many.list(4)
    assert len(first) == 4
    more, rest = iterator.next_n(100)
    assert more and len(rest) == 6
    assert sorted(one.binding_name[0].id for one in first + rest) == [str(number) for number in range(10)]
    assert first[0].binding_type == CosNaming.nobject
    iterator.destroy()
    with pytest.raises(CosNaming.NamingContext.NotEmpty):
        many.destroy()
    many_left, iterator = names.list(0)
    assert many_left == []
    iterator.destroy()


def test_catior_reads_our_references(orb: Any, local: Any) -> None:
    import Seam

    done = subprocess.run(
        ["catior", orb.object_to_string(local)], capture_output=True, text=True, timeout=20, check=True
    )
    assert Seam.Echo._NP_RepositoryId in done.stdout
    assert "127.0.0.1" in done.stdout
    assert "UTF-8" in done.stdout
