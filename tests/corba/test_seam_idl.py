"""What the IDL compiler's back end makes of IDL, and what it refuses."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dgcc.corba import CORBA, DGCC, DGCC__POA, ENGINE, CosNaming
from dgcc.corba.idlgen.compile import IdlError, compile_idl


def test_constants(stubs: Path) -> None:
    import Seam

    assert Seam.SUM == 13
    assert Seam.LARGE == 1 << 40
    assert Seam.HALF == 0.5
    assert Seam.YES is True or Seam.YES == 1
    assert Seam.LETTER == "x"
    if ENGINE == "builtin":  # omniORBpy leaves the file's bytes as they are
        assert Seam.GREETING == 'grüß "Gott"'


def test_nested_and_reopened_modules(stubs: Path) -> None:
    import Seam

    assert Seam.Inner.BEST is Seam.Inner.AUTUMN
    twig = Seam.Inner.Twig(Seam.Inner.Twig.Bud(3), [Seam.Inner.Leaf(1), Seam.Inner.Leaf(2)])
    assert (twig.tip.age, [leaf.size for leaf in twig.leaves]) == (3, [1, 2])


def test_declarations_outside_of_modules(stubs: Path, orb: Any) -> None:
    import _GlobalIDL__POA

    class AtTheTop(_GlobalIDL__POA.AtTheTop):
        def one(self) -> int:
            return 1

    assert AtTheTop()._this().one() == 1


def test_enums(stubs: Path) -> None:
    import Turns

    assert [str(item) for item in Turns.Colour._items] == ["RED", "GREEN", "BLUE"]
    assert [item._v for item in Turns.Colour._items] == [0, 1, 2]
    assert Turns.Colour._item(1) is Turns.GREEN
    assert Turns.RED != Turns.GREEN
    assert {Turns.RED: "red"}[Turns.RED] == "red"


def test_the_farms_own_interfaces() -> None:
    assert DGCC.PROTOCOL == 4
    assert DGCC.Chunk(1, b"x").data == b"x"
    assert DGCC.Refused("no").reason == "no"
    assert issubclass(DGCC.Refused, CORBA.UserException)
    assert CORBA.id(DGCC.Entry) == "IDL:DGCC/Entry:1.0"
    assert DGCC__POA.Slave._NP_RepositoryId == DGCC.Slave._NP_RepositoryId == "IDL:DGCC/Slave:1.0"
    assert CosNaming.NamingContext._NP_RepositoryId == "IDL:omg.org/CosNaming/NamingContext:1.0"


def _compile(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.idl").write_text(text)
    out = tmp_path / "out"
    compile_idl([tmp_path / f"{name}.idl" for name in files], out, include=[tmp_path])
    return out


@pytest.mark.parametrize(
    ("construct", "declaration"),
    [
        ("any", "typedef sequence<any> Refused;"),
        ("any", "struct Refused { any what; };"),
        ("any", "interface Refused { void f(in any what); };"),
        ("any", "interface Refused { attribute any what; };"),
        ("union", "union Refused switch (long) { case 1: long one; };"),
        ("union", "interface Refused { union Inner switch (boolean) { case TRUE: long one; }; };"),
        ("valuetype", "valuetype Refused { public long one; };"),
        ("valuetype", "valuetype Refused long;"),
        ("fixed", "typedef fixed<5, 2> Refused;"),
        ("wstring", "interface Refused { wstring f(); };"),
        ("wchar", "typedef wchar Refused;"),
        ("long double", "typedef long double Refused;"),
        ("wstring", 'const wstring REFUSED = L"x";'),
        ("native", "native Refused;"),
        ("abstract interface", "abstract interface Refused { void f(); };"),
        ("local interface", "local interface Refused { void f(); };"),
        ("context clause", 'interface Refused { void f() context ("x"); };'),
    ],
)
def test_what_is_not_covered_is_refused_by_file_and_line(tmp_path: Path, construct: str, declaration: str) -> None:
    with pytest.raises(IdlError) as caught:
        _compile(tmp_path, wrong=f"module M {{\n  typedef long Fine;\n  {declaration}\n}};\n")
    assert f"{tmp_path}/wrong.idl:3: {construct}:" in str(caught.value)


def test_wrong_idl_is_refused_by_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(IdlError) as caught:
        _compile(tmp_path, wrong="module M {\n  typedef lung Typo;\n};\n")
    assert "wrong.idl:2:" in str(caught.value)


def test_modules_from_several_files_and_includes(tmp_path: Path) -> None:
    out = _compile(
        tmp_path,
        first="module Shared { struct One { long a; }; };\nmodule Lone { typedef long Number; };\n",
        second='#include "first.idl"\nmodule Shared { struct Two { One b; sequence<Lone::Number> c; }; };\n',
    )
    script = (
        f"import sys; sys.path.insert(0, {str(out)!r})\n"
        "import Shared, Shared__POA, Lone\n"
        "print(Shared.Two(Shared.One(3), [1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"DGCC_ORB": "builtin", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == "Shared.Two(b=Shared.One(a=3), c=[1])\n"


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "good.idl").write_text("module Good { const long ANSWER = 42; };")
    (tmp_path / "bad.idl").write_text("module Bad { typedef any Thing; };")
    command = [sys.executable, "-m", "dgcc.corba.idlgen"]
    done = subprocess.run([*command, str(tmp_path / "good.idl"), str(tmp_path / "out")], check=False)
    assert done.returncode == 0
    assert (tmp_path / "out" / "Good.py").exists()
    failed = subprocess.run(
        [*command, str(tmp_path / "bad.idl"), str(tmp_path / "out")], check=False, stderr=subprocess.PIPE, text=True
    )
    assert failed.returncode == 1
    assert "bad.idl:1: any:" in failed.stderr
    assert subprocess.run(command, check=False, stderr=subprocess.PIPE).returncode == 2
