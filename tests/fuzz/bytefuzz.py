"""Breaking bytes without knowing what they mean."""

import os
import random

ROUNDS = int(os.environ.get("DGCC_FUZZ_ROUNDS", "1"))
"""How many times as long as in `make test` everything is tried."""
SEED = int(os.environ.get("DGCC_FUZZ_SEED", "1"))

_ODD = (
    b"",
    b"\0",
    b"\n",
    b"\xff",
    b"\x1b[2J",
    b"../",
    b"//",
    b"=",
    b"'",
    b'"',
    b"[",
    b"(",
    b"{",
    b"%",
    b"$(",
    b"\\",
    b"# ",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"-1",
    b"99999999999999999999",
    b"*" * 20,
)


def broken(dice: random.Random, data: bytes) -> bytes:
    """`data` with something else here and there."""
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 12))):
        at = dice.randrange(len(made) + 1)
        match dice.randrange(6):
            case 0:
                made[at:at] = dice.choice(_ODD)
            case 1:
                del made[at : at + dice.choice((1, 4, 100))]
            case 2:
                made[at : at + 1] = bytes([dice.getrandbits(8)])
            case 3:
                made[at : at + 4] = dice.choice(_ODD)
            case 4:
                start = dice.randrange(len(made) + 1)
                made[at:at] = made[start : start + dice.randrange(200)]
            case 5:
                del made[at + dice.randrange(max(1, len(made) - at)) :]
    return bytes(made)
