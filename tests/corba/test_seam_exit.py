"""A process that has used the ORB ends well, whatever state the ORB is in."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_START = """
import sys, threading, time
sys.path[:0] = [{stubs!r}, {tests!r}]
from dgcc.corba import CORBA, PortableServer
orb = CORBA.ORB_init(["exit", "-ORBendPoint", "giop:tcp:127.0.0.1:", "-ORBnativeCharCodeSet", "UTF-8"], CORBA.ORB_ID)
from corba import seam_servants
root = orb.resolve_initial_references("RootPOA")
root._get_the_POAManager().activate()
far = orb.string_to_object({ior!r})
near = seam_servants.Echo()._this()
assert far.twice(2) == near.twice(2) == 4
def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
"""

_ENDS = {
    "with live references": "",
    "after destroy": "orb.destroy()",
    "after shutdown": "orb.shutdown(True)",
    "after shutdown without waiting": "orb.shutdown(False)",
    "after destroy twice": """
orb.shutdown(True)
orb.destroy()
try:
    orb.destroy()
except CORBA.SystemException:
    pass
""",
    "with a thread in run": "in_thread(orb.run); time.sleep(0.1)",
    "with a thread that left run": """
thread = in_thread(orb.run); time.sleep(0.1)
orb.shutdown(True); thread.join(10); assert not thread.is_alive()
""",
    "with a thread in a call": "in_thread(far.nap, 3); time.sleep(0.1)",
    "with a thread in an upcall": "in_thread(far.back, seam_servants_slow, 1); time.sleep(0.3)",
    "with a thread in a local call": "in_thread(near.nap, 60); time.sleep(0.1)",
    "by an exception": "raise SystemExit(0)",
    "by sys.exit in a thread's callback": "in_thread(sys.exit); orb.destroy()",
    "after shutdown from an upcall": """
import Seam__POA
class Ender(Seam__POA.Callback):
    def called(self, number):
        orb.shutdown(False)
        return number
in_thread(far.back, Ender()._this(), 1)
orb.run()
orb.destroy()
""",
    "with calls after destroy": """
orb.destroy()
for ref in far, near:
    try:
        ref.twice(1)
    except (CORBA.BAD_INV_ORDER, CORBA.OBJECT_NOT_EXIST, CORBA.COMM_FAILURE, CORBA.TRANSIENT):
        continue
    raise AssertionError("a call went through")
""",
    "with servants busy all the time": """
def busy():
    while True:
        try:
            far.back(callback, 50)
        except CORBA.SystemException:
            return
callback = seam_servants.Callback()._this()
for _ in range(4):
    in_thread(busy)
time.sleep(0.3)
""",
    "with a new ORB after destroy": """
orb.destroy()
orb = CORBA.ORB_init(["again", "-ORBendPoint", "giop:tcp:127.0.0.1:"], CORBA.ORB_ID)
root = orb.resolve_initial_references("RootPOA")
root._get_the_POAManager().activate()
far = orb.string_to_object(ior)
assert far.twice(2) == seam_servants.Echo()._this().twice(2) == 4
""",
}

_SLOW = """
import Seam__POA
class Slow(Seam__POA.Callback):
    def called(self, number):
        time.sleep(60)
        return number
seam_servants_slow = Slow()._this()
"""


@pytest.mark.parametrize("end", _ENDS)
def test_exit(end: str, stubs: Path, peer: Any, orb: Any) -> None:
    ior = orb.object_to_string(peer.refs["echo"])
    tests = str(Path(__file__).resolve().parents[1])
    script = _START.format(stubs=str(stubs), tests=tests, ior=ior) + f"ior = {ior!r}\n" + _SLOW + _ENDS[end]
    done = subprocess.run(
        [sys.executable, "-c", script + '\nprint("end of script", flush=True)\n'],
        capture_output=True, text=True, timeout=30, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert end == "by an exception" or "end of script" in done.stdout


def test_ctrl_c_interrupts_run(stubs: Path, peer: Any, orb: Any) -> None:
    tests = str(Path(__file__).resolve().parents[1])
    script = _START.format(stubs=str(stubs), tests=tests, ior=orb.object_to_string(peer.refs["echo"])) + """
import os, signal
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    orb.run()
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
