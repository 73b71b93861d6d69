"""What a recipe needs of the machine besides the project: compilers, and whatever else lies outside the roots."""

from msgspec import Struct


class Toolchain(Struct, frozen=True):
    """A compiler as a recipe runs it.

    `driver` is its absolute path as the recipe's PATH leads to it, symbolic links unresolved. `options` are
    those of its command line that lead it to other programs, headers or libraries than it has by itself
    (-B, --sysroot, -m32, --target and their like), as written.
    """

    driver: bytes
    options: tuple[bytes, ...] = ()


class Needs(Struct, frozen=True):
    """What must be on a slave, outside the project's roots, for one recipe; all paths absolute and normal.

    `toolchains`: compilers. `programs`: other programs beyond the plain Unix tools. `paths`: files and
    directories (with all below) that exist and are read, by -I, as sources, by a rule. `libraries`: (index of
    the toolchain, name as after -l or after -l:) of a link. `links`: whether anything is linked at all.
    """

    toolchains: tuple[Toolchain, ...] = ()
    programs: tuple[bytes, ...] = ()
    paths: tuple[bytes, ...] = ()
    libraries: tuple[tuple[int, bytes], ...] = ()
    links: bool = False
