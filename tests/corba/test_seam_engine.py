"""Which ORB engine is chosen, and ORB_init."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dgcc.corba
from dgcc.corba import CORBA


def _python(script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30, cwd="/",
        env={**os.environ, **environment},
    )


def test_an_engine_can_be_forced() -> None:
    done = _python("import dgcc.corba; print(dgcc.corba.ENGINE)", DGCC_ORB="builtin")
    assert (done.returncode, done.stdout) == (0, "builtin\n")


def test_an_unknown_engine_is_refused() -> None:
    done = _python("import dgcc.corba", DGCC_ORB="visibroker")
    assert done.returncode != 0
    assert "DGCC_ORB=visibroker: no such engine; use 'omniorbpy' or 'builtin'" in done.stderr


def _package(tmp_path: Path, version: str) -> str:
    """A directory with an omniORB that says it is of a version; it is no ORB."""
    package = tmp_path / "omniORB"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import types\nCORBA = types.ModuleType('CORBA')\nPortableServer = types.ModuleType('PortableServer')\n"
        f"def coreVersion(): return {version!r}\n"
    )
    return str(tmp_path)


def test_an_old_omniorbpy_is_refused_if_forced_and_passed_over_if_not(tmp_path: Path) -> None:
    path = _package(tmp_path, "4.1.7")
    forced = _python("import dgcc.corba", DGCC_ORB="omniorbpy", PYTHONPATH=path)
    assert forced.returncode != 0
    assert "omniORBpy is of version 4.1.7; 4.2 or later is needed" in forced.stderr
    done = _python("import dgcc.corba; print(dgcc.corba.ENGINE)", DGCC_ORB="", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (0, "builtin\n")


def test_a_good_omniorbpy_is_taken(tmp_path: Path) -> None:
    path = _package(tmp_path, "4.3.0")
    with open(tmp_path / "omniORB" / "__init__.py", "a") as package:
        package.write(
            "import sys\n"
            "def importIDL(path):\n"
            "    assert open(path).read().startswith('// The interfaces of a DGCC farm')\n"
            "    for name in ('DGCC', 'DGCC__POA'): sys.modules[name] = types.ModuleType(name)\n"
            "def setClientCallTimeout(ref, milliseconds): print(ref, milliseconds)\n"
        )
    (tmp_path / "CosNaming.py").write_text("")
    done = _python(
        "import dgcc.corba as c; import omniORB; print(c.ENGINE, c.CORBA is omniORB.CORBA); c.set_call_timeout(1, 2)",
        DGCC_ORB="", PYTHONPATH=path,
    )
    assert (done.returncode, done.stdout) == (0, "omniorbpy True\n1 2\n"), done.stderr


def test_orb_init_takes_its_options_out() -> None:
    done = _python("""
from dgcc.corba import CORBA
argv = ["program", "-ORBtraceLevel", "1", "mine", "-x"]
CORBA.ORB_init(argv, CORBA.ORB_ID)
print(argv)
""")
    assert done.stdout == "['program', 'mine', '-x']\n", done.stderr


def test_orb_init_refuses_wrong_options() -> None:
    done = _python("""
from dgcc.corba import CORBA
try:
    CORBA.ORB_init(["x", "-ORBnoSuchOption", "1"], CORBA.ORB_ID)
except (CORBA.INITIALIZE, CORBA.BAD_PARAM) as error:
    print("refused")
""", DGCC_ORB=dgcc.corba.ENGINE)
    assert done.stdout == "refused\n", done.stderr


def test_one_orb_for_a_process(orb: Any) -> None:
    again = CORBA.ORB_init([], CORBA.ORB_ID)
    assert again.resolve_initial_references("RootPOA")._get_the_name() == "RootPOA"
    assert "RootPOA" in orb.list_initial_services()


def test_work_can_be_performed_by_hand(orb: Any, root_poa: Any) -> None:
    import threading
    import time

    from corba import seam_servants

    from dgcc.corba import PortableServer

    main = root_poa.create_POA("main thread", root_poa._get_the_POAManager(), [
        root_poa.create_thread_policy(PortableServer.MAIN_THREAD_MODEL)
    ])

    class Where(seam_servants.Callback):
        def called(self, number: int) -> int:
            self.thread = threading.current_thread()
            return number

    servant = Where()
    main.activate_object(servant)
    ref = main.servant_to_reference(servant)
    caller = threading.Thread(target=ref.called, args=(1,))
    caller.start()
    deadline = time.monotonic() + 10
    while caller.is_alive() and time.monotonic() < deadline:
        if orb.work_pending():
            orb.perform_work()
        time.sleep(0.005)
    caller.join(10)
    assert servant.thread is threading.current_thread()
    main.destroy(True, True)


@pytest.mark.parametrize("argv", ["text", ("a", "tuple"), 5])
def test_orb_init_wants_a_list(argv: Any) -> None:
    with pytest.raises((TypeError, CORBA.BAD_PARAM)):
        CORBA.ORB_init(argv, CORBA.ORB_ID)
