"""A program that has the environment of one tree and serves it as a slave: prints its store's reference."""

import sys
from pathlib import Path

from slave.systemkit import Given, Need

from dgcc.naming.orb import start_orb
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.sharing import StoreServant


def main() -> None:
    orb, poa = start_orb()
    pool = EnvironmentPool(Path(sys.argv[2]), None, 1 << 30, host=b"/none")
    source = Given(Path(sys.argv[1]), page=1000)
    with pool.use([Need(source.keys[0])], source):
        servant = StoreServant(pool.index)
        print(orb.object_to_string(poa.id_to_reference(poa.activate_object(servant))), flush=True)
        sys.stdin.read()
    orb.destroy()


if __name__ == "__main__":
    main()
