"""Build commands for setuptools: IDL stubs, the ORB extension, and the C programs of hook, client and jail.

Named in setup.cfg, so that `pip install .` and `pip install -e .` both run them.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Extension
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "dgcc" / "native"
CORBA = ROOT / "dgcc" / "corba"
STUBS = CORBA / "stubs"

# The naming service in omniORB's own IDL, from Debian's omniorb-idl.
NAMING_IDL = Path("/usr/share/idl/omniORB/COS/CosNaming.idl")

# Where omniORB's headers of its ORB object include each other from.
OMNIORB_INTERNAL = Path("/usr/include/omniORB4/internal")

WARN = ["-Wall", "-Wextra", "-Werror=implicit-function-declaration", "-O2"]
# omniORB's headers have unused parameters and old initialisers.
CPP = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers",
       "-fvisibility=hidden"]  # fmt: skip
DEFINES = ["-D__OMNIORB4__", "-D_REENTRANT"]
PROGRAMS = {
    "libdgcc-hook.so": (["hook*.c"], ["-shared", "-fPIC", "-fvisibility=hidden"], ["-ldl"]),
    "dgcc-client": (["client*.c"], ["-static"], []),
    "libdgcc-look.so": (["look.c"], ["-shared", "-fPIC", "-fvisibility=hidden"], []),
    "dgcc-jail": (["jail*.c"], ["-static", "-D_GNU_SOURCE"], []),
}
# The library for mutual TLS, which Python loads only where it is wanted, and omniNames has preloaded.
TLS_LIBRARY = "libdgcc-tls.so"
# The client starts once for each recipe. Linked with musl it does so in a third of the time, as glibc's asks
# the CPU what it is dozens of times, and in a virtual machine each question is a trap. It works without, too.
WITH_MUSL = {"dgcc-client"}


class BuildError(SystemExit):
    """The build cannot go on; the message says what is missing and how to get it."""


def _need(tool: str, package: str) -> None:
    if shutil.which(tool) is None:
        raise BuildError(f"dgcc: '{tool}' is not installed; on Debian: apt-get install {package}")


def _need_file(path: Path, package: str) -> None:
    if not path.exists():
        raise BuildError(f"dgcc: {path} is missing; on Debian: apt-get install {package}")


def _run(argv: list[str]) -> None:
    print(" ".join(argv), flush=True)
    subprocess.run(argv, check=True, cwd=ROOT)


def generate_stubs() -> None:
    """Make dgcc/corba/stubs from idl/dgcc.idl and omniORB's CosNaming with omniidl and our back end."""
    _need("omniidl", "omniidl omniorb-idl")
    _need_file(NAMING_IDL, "omniorb-idl")
    shutil.rmtree(STUBS, ignore_errors=True)
    STUBS.mkdir()
    _run(["omniidl", f"-p{CORBA}", "-bidlgen.dgccpy", f"-Wbout={STUBS}",
          str(NAMING_IDL), str(ROOT / "idl" / "dgcc.idl")])
    (STUBS / "__init__.py").write_text('"""Stubs made from IDL at install."""\n')
    shutil.copy(ROOT / "idl" / "dgcc.idl", STUBS)  # omniORBpy, where it is used, compiles it when DGCC is imported


def compile_programs(out: Path) -> None:
    """Compile hook, client and jail with $CC (the client with musl-gcc, if any) into the directory `out`."""
    # setuptools loads this file by its path, before the package that it belongs to can be imported.
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    from dgcc.native.filter import write_filter

    compiler = os.environ.get("CC", "cc")
    _need(compiler.split()[0], "gcc libc6-dev")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dgcc-build-") as made:
        write_filter(compiler.split(), Path(made), platform.machine())
        for name, (patterns, flags, libraries) in PROGRAMS.items():
            sources = sorted(str(p) for pattern in patterns for p in NATIVE.glob(pattern))
            command = ["musl-gcc"] if name in WITH_MUSL and shutil.which("musl-gcc") else compiler.split()
            _run([*command, "-std=gnu11", *WARN, *flags, f"-I{made}", "-o", str(out / name), *sources, *libraries])
    compile_tls(out)


def compile_tls(out: Path) -> None:
    """Compile the TLS library with $CXX over omniORB's TLS transport and OpenSSL."""
    compiler = os.environ.get("CXX", "c++")
    _need(compiler.split()[0], "g++")
    _need_file(Path("/usr/include/openssl/ssl.h"), "libssl-dev")
    sources = sorted(str(p) for p in (NATIVE / "tls").glob("*.cc"))
    libraries = ["-lomnisslTP4", "-lomniORB4", "-lomnithread", "-lssl", "-lcrypto"]
    _run([*compiler.split(), *CPP, *DEFINES, f"-I{OMNIORB_INTERNAL}", "-shared", "-fPIC",
          "-o", str(out / TLS_LIBRARY), *sources, *libraries])


def orb_extension() -> Extension:
    """Describe the extension over libomniORB4 that stands in where omniORBpy cannot be had."""
    _need_file(OMNIORB_INTERNAL, "libomniorb4-dev")
    return Extension(
        "dgcc.corba._orb",
        sources=sorted(str(p.relative_to(ROOT)) for p in (CORBA / "ext").glob("*.cc")),
        depends=sorted(str(p.relative_to(ROOT)) for p in (CORBA / "ext").glob("*.h")),
        libraries=["omniORB4", "omnithread"],
        include_dirs=[str(OMNIORB_INTERNAL)],
        language="c++",
        extra_compile_args=[*CPP, *DEFINES],
    )


class BuildStubs(build_py):
    """build_py, with the IDL stubs generated first so that they are packaged."""

    def run(self) -> None:
        generate_stubs()
        super().run()


class BuildNative(build_ext):
    """build_ext, with the C programs compiled beside our extension."""

    def run(self) -> None:
        super().run()
        in_place = NATIVE / "bin"
        compile_programs(in_place)
        if not self.inplace and not getattr(self, "editable_mode", False):
            self.copy_tree(str(in_place), str(Path(self.build_lib) / "dgcc" / "native" / "bin"))


class Build(build):
    """build, told of the extension, which setup.cfg has no words for."""

    def finalize_options(self) -> None:
        self.distribution.ext_modules = [orb_extension()]
        super().finalize_options()


class Wheel(bdist_wheel):
    """bdist_wheel, told the same, so that the wheel is named for this machine's Python."""

    def finalize_options(self) -> None:
        self.distribution.ext_modules = [orb_extension()]
        super().finalize_options()
