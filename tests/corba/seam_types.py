"""Every IDL type of the subset, with values for it: the IDL of the round trip tests is made from this table."""

import string
from typing import Any

from hypothesis import strategies as st

DECLARATIONS = """
  enum Colour { RED, GREEN, BLUE };
  struct Point { long x; double y; };
  struct Frame { string title; Point corner; sequence<Point> path; Colour tint; sequence<octet> pixels; };
  struct Node;
  typedef sequence<Node> Nodes;
  struct Node { string label; Nodes children; };
  typedef sequence<octet> Bytes;
  typedef sequence<octet, 16> FewBytes;
  typedef sequence<long, 3> FewLongs;
  typedef string<8> ShortString;
  typedef sequence<string> Strings;
  typedef sequence<Bytes> BytesSeq;
  typedef sequence<double> Doubles;
  typedef sequence<boolean> Booleans;
  typedef sequence<char> Chars;
  typedef sequence<Frame> Frames;
  typedef sequence<Doubles> Table;
  typedef sequence<Colour> Colours;
  typedef long Grid[2][3];
  typedef octet Digest[4];
"""


def integers(bits: int, signed: bool) -> st.SearchStrategy[int]:
    """All integers of a size, ends included."""
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_DOUBLE = st.floats(allow_nan=False)


def values(module: Any) -> dict[str, tuple[str, st.SearchStrategy[Any]]]:
    """Interface name -> (IDL type, values for it); `module` is the compiled IDL module, or None for names alone."""
    colours = st.sampled_from([module.RED, module.GREEN, module.BLUE] if module else [None])
    point = st.builds(lambda x, y: module.Point(x, y), integers(32, True), _DOUBLE)
    frame = st.builds(
        lambda *parts: module.Frame(*parts),
        _TEXT, point, st.lists(point, max_size=3), colours, st.binary(max_size=50),
    )
    node = st.recursive(
        st.builds(lambda label: module.Node(label, []), _TEXT),
        lambda inner: st.builds(lambda label, kids: module.Node(label, kids), _TEXT, st.lists(inner, max_size=3)),
        max_leaves=5,
    )
    return {
        "AShort": ("short", integers(16, True)),
        "AUShort": ("unsigned short", integers(16, False)),
        "ALong": ("long", integers(32, True)),
        "AULong": ("unsigned long", integers(32, False)),
        "ALongLong": ("long long", integers(64, True)),
        "AULongLong": ("unsigned long long", integers(64, False)),
        "AFloat": ("float", st.floats(width=32, allow_nan=False)),
        "ADouble": ("double", _DOUBLE),
        "ABoolean": ("boolean", st.booleans()),
        "AChar": ("char", st.sampled_from(string.ascii_letters + "~ \t")),
        "AnOctet": ("octet", integers(8, False)),
        "AString": ("string", _TEXT),
        "AShortString": ("ShortString", st.text(string.ascii_letters, max_size=8)),
        "ABytes": ("Bytes", st.binary(max_size=200) | st.just(bytes(range(256)) * 40)),
        "AFewBytes": ("FewBytes", st.binary(max_size=16)),
        "AFewLongs": ("FewLongs", st.lists(integers(32, True), max_size=3)),
        "AStrings": ("Strings", st.lists(_TEXT, max_size=4)),
        "ABytesSeq": ("BytesSeq", st.lists(st.binary(max_size=20), max_size=4)),
        "ADoubles": ("Doubles", st.lists(_DOUBLE, max_size=10)),
        "ABooleans": ("Booleans", st.lists(st.booleans(), max_size=10)),
        "AChars": ("Chars", st.text(string.ascii_letters, max_size=10)),
        "ATable": ("Table", st.lists(st.lists(_DOUBLE, max_size=3), max_size=3)),
        "AColour": ("Colour", colours),
        "AColours": ("Colours", st.lists(colours, max_size=5)),
        "AGrid": ("Grid", st.lists(st.lists(integers(32, True), min_size=3, max_size=3), min_size=2, max_size=2)),
        "ADigest": ("Digest", st.binary(min_size=4, max_size=4)),
        "APoint": ("Point", point),
        "AFrame": ("Frame", frame),
        "AFrames": ("Frames", st.lists(frame, max_size=3)),
        "ANode": ("Node", node),
    }


NAMES = list(values(None))


def idl() -> str:
    """The IDL: for each type an interface that carries it in every direction."""
    text = f"module Turns {{\n{DECLARATIONS}"
    for name, (type_, _) in values(None).items():
        text += f"""
  interface {name} {{
    typedef sequence<{type_}> Many;
    struct Box {{ {type_} one; Many more; }};
    typedef sequence<Box> Boxes;
    exception Carry {{ {type_} one; Many more; }};
    attribute {type_} held;
    readonly attribute {type_} seen;
    {type_} turn(in {type_} first, out {type_} second, inout {type_} third);
    Boxes turn_round(in Boxes given);
    void fail(in {type_} one, in Many more) raises (Carry);
    oneway void post(in {type_} value);
  }};
"""
    return text + "};\n"


def plain(value: Any) -> Any:
    """A value without the engine's classes, so that two values can be compared."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bytes, int, float)):
        return value
    if hasattr(value, "_v"):
        return str(value)
    return {name: plain(item) for name, item in vars(value).items() if not name.startswith("_")}
