"""What would have the compiler run other programs, or other options, on a slave than at home."""

import pytest
from verdict.verdictkit import ROOT, TREE, Machine, judge

BIN = b"/home/me/bin"


def wrapped(*lines: str, **more: bytes) -> Machine:
    """A machine with a script /home/me/bin/gcc of these lines, and further texts in its directory."""
    texts = {BIN + b"/gcc": ("#!/bin/sh\n" + "\n".join(lines) + "\n").encode()}
    texts |= {BIN + b"/" + name.encode(): text for name, text in more.items()}
    return Machine(TREE.files | set(texts), TREE.directories, texts=texts)


PLAIN = [
    'exec /usr/bin/gcc "$@"',
    'exec "${REALGCC:-gcc}" "$@" -specs "/usr/lib/my.specs"',
    '# for f in *; [ -f x ]\nexec /usr/bin/gcc "$@"',
    'if [ -n "$X" ]; then exec gcc -O2 "$@"; fi\nexec gcc "$@"',
    'exec "$(dirname "$0")/real/gcc" "$@"',
    'here=`dirname "$0"`; exec "$here/gcc-12" "$@"',
    'CPATH=/opt/include; export CPATH; exec gcc "$@" || exit 1',
    'exec gcc $*',
]  # fmt: skip

OTHERWISE = [
    ('[ -f /opt/flag ] && set -- -DX "$@"\nexec gcc "$@"', "[ -f"),
    ('if test -e "$HOME/flag"; then exec gcc -DX "$@"; fi\nexec gcc "$@"', "test -e"),
    ('[ "$X" -a -d /opt ] && exec gcc "$@"', "-d"),
    ('[ /opt/a -nt /opt/b ] && exec gcc -O0 "$@"\nexec gcc "$@"', "-nt"),
    ('read F < /opt/flags\nexec gcc $F "$@"', "read"),
    ('. /opt/flags; exec gcc "$@"', "."),
    ('exec gcc $(cat /opt/flags) "$@"', "$("),
    ('exec gcc -DN=`nproc` "$@"', "`"),
    ('exec gcc -DHOST=$HOSTNAME "$@"', "$HOSTNAME"),
    ('for f in /opt/*; do set -- -I$f "$@"; done\nexec gcc "$@"', "for"),
    ('exec gcc -I /opt/v? "$@"', "?"),
    ('PATH=/opt/bin:$PATH\nexec gcc "$@"', "PATH="),
    ('export LD_LIBRARY_PATH=/opt/lib; exec gcc "$@"', "LD_LIBRARY_PATH="),
    ('case "$*" in *-c*) set -- -B/opt "$@";; esac\nexec gcc "$@"', "case"),
    ('[ "$1" = -c ] && exec gcc -B/opt "$@"\nexec gcc "$@"', "$1"),
    ('[ "$*" = x ] && exec gcc -B/opt "$@"\nexec gcc "$@"', "$*"),
    ('cat /opt/flags | xargs gcc "$@"', "|"),
]  # fmt: skip


@pytest.mark.parametrize("script", PLAIN)
def test_a_script_that_only_starts_a_compiler_travels(script: str) -> None:
    verdict = judge("/home/me/bin/gcc -c foo.c", machine=wrapped(script))
    assert verdict.remote, verdict.reason
    assert verdict.compilers == (BIN + b"/gcc",)


@pytest.mark.parametrize(("script", "named"), OTHERWISE)
def test_a_script_that_looks_at_more_stays_home(script: str, named: str) -> None:
    verdict = judge("/home/me/bin/gcc -c foo.c", machine=wrapped(script))
    assert not verdict.remote
    assert "that does more than to start a compiler (" in verdict.reason and named in verdict.reason


def test_scripts_behind_a_script_are_looked_at_too() -> None:
    inner = b'#!/bin/sh\n[ -e /opt/flag ] && set -- -DX "$@"\nexec gcc "$@"\n'
    outer = 'exec /home/me/bin/inner "$@"'
    assert "inner is a script" in judge("/home/me/bin/gcc -c foo.c", machine=wrapped(outer, inner=inner)).reason
    assert judge("/home/me/bin/gcc -c foo.c", machine=wrapped(outer, inner=b'#!/bin/sh\nexec gcc "$@"\n')).remote
    endless = b'#!/bin/sh\nexec /home/me/bin/gcc "$@"\n'
    assert not judge("/home/me/bin/gcc -c foo.c", machine=wrapped(outer, inner=endless)).remote


@pytest.mark.parametrize(
    ("program", "line"),
    [("as", "gcc -c foo.c"), ("as", "gcc foo.c -o foo"), ("ld", "gcc foo.c -o foo"), ("objcopy", "gcc -c foo.c")],
)
def test_programs_that_path_has_the_compiler_run(program: str, line: str) -> None:
    path = b"/opt/tools/" + program.encode()
    binary = Machine(TREE.files | {path}, TREE.directories, texts={path: b"\x7fELF"})
    script = Machine(TREE.files | {path}, TREE.directories, texts={path: b"#!/bin/sh\n"})
    before = {b"PATH": b"/opt/tools:/usr/bin:/bin"}
    assert judge(line, env=before, machine=binary).needs.programs == (path,)
    assert f"PATH has the compiler run {path.decode()}, which is a script" in judge(
        line, env=before, machine=script
    ).reason
    behind = {b"PATH": b"/usr/bin:/bin:/opt/tools"}
    assert judge(line, env=behind, machine=script).needs.programs == ()


def test_an_assembler_of_the_project_in_path() -> None:
    machine = Machine(TREE.files | {ROOT + b"/bin/as"}, TREE.directories)
    for place in (ROOT + b"/bin", b"bin"):
        env = {b"PATH": place + b":/usr/bin"}
        assert "/project/bin/as, which is built in the tree" in judge("cc -c foo.c", env=env, machine=machine).reason
        assert judge("/usr/bin/gcc -S foo.c", env=env, machine=machine).remote
        assert judge("/usr/bin/gcc -E foo.c -o foo.i", env=env, machine=machine).remote


def test_a_program_that_ccache_puts_in_front() -> None:
    assert judge("ccache gcc -c foo.c", env={b"CCACHE_PREFIX": b"distcc"}).remote
    reason = judge("ccache gcc -c foo.c", env={b"CCACHE_PREFIX": b"distcc /opt/mine"}).reason
    assert reason == "CCACHE_PREFIX has ccache change what is compiled"
    conf = b"/me/.config/ccache/ccache.conf"
    for text, remote in ((b"prefix_command = icecc\n", True), (b"prefix_command = icecc\npath = /x\n", False),
                         (b"prefix_command = /opt/mine\n", False)):  # fmt: skip
        machine = Machine(TREE.files, texts={conf: text})
        assert judge("ccache gcc -c foo.c", env={b"HOME": b"/me"}, machine=machine).remote is remote


@pytest.mark.parametrize("option", ["-grecord-gcc-switches", "-grecord-command-line", "-frecord-command-line", "-MJ x"])
def test_clang_writing_down_what_stands_for_native(option: str) -> None:
    machine = Machine(TREE.files, TREE.directories, natives={(b"-march=native",): ((b"-march=native", (b"-mx",)),)})
    verdict = judge(f"clang {option} -march=native -c foo.c", machine=machine)
    assert "writes down the options for this machine's processor" in verdict.reason
    assert judge(f"clang {option} -c foo.c", machine=machine).remote
    if "MJ" not in option:  # gcc writes down what it runs itself, which is the same
        assert judge(f"gcc {option} -march=native -c foo.c", machine=machine).remote


def test_time_zones_that_slaves_lack() -> None:
    zones = {"Asia/Tokyo": True, "UTC0": True, ":/usr/share/zoneinfo/Japan": True, "": True}
    zones |= {"/home/me/zone": False, ":/home/me/zone": False, "../../../home/me/zone": False}
    for zone, remote in zones.items():
        assert judge("gcc -c foo.c", env={b"TZ": zone.encode()}).remote is remote, zone
        for line in (f"TZ={zone} gcc -c foo.c", f"env TZ={zone} gcc -c foo.c", f"export TZ={zone}; gcc -c foo.c"):
            assert judge(line).remote is remote, line
    assert not judge("gcc -c foo.c", env={b"TZDIR": b"/home/me"}).remote
    assert "a time zone of its own (TZ)" in judge("TZ=`cat zone` gcc -c foo.c").reason
