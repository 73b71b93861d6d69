"""Run omniidl with our back end, or with omniORBpy's."""

import shutil
import subprocess
from pathlib import Path

#: The directory of dgcc/corba, from which omniidl imports the back end `idlgen.dgccpy`.
_BACK_ENDS = Path(__file__).resolve().parents[1]


class IdlError(Exception):
    """IDL could not be compiled. The message is omniidl's, with file and line."""


def compile_idl(files: list[Path], out: Path, include: list[Path] | None = None, engine: str = "builtin") -> None:
    """Write Python stubs of the IDL `files` into the directory `out`, made if need be.

    Put `out` on sys.path to import them: a module and a module__POA for each IDL module at the top. `include`
    are directories to find included IDL files in. `engine` is "builtin" or "omniorbpy", as dgcc.corba.ENGINE.
    Raises IdlError if omniidl is not installed, or the IDL is wrong or holds what the engine does not cover.
    """
    if shutil.which("omniidl") is None:
        raise IdlError("'omniidl' is not installed; on Debian: apt-get install omniidl omniorb-idl")
    out.mkdir(parents=True, exist_ok=True)
    if engine == "builtin":
        back_end = [f"-p{_BACK_ENDS}", "-bidlgen.dgccpy", f"-Wbout={out}"]
    else:
        back_end = ["-bpython", f"-C{out}"]
    command = ["omniidl", *back_end, *(f"-I{path}" for path in include or []), *(str(path) for path in files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise IdlError(done.stdout.strip() or f"omniidl failed with exit code {done.returncode}")
