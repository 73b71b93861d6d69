"""A process that serves the test servants: prints `name IOR` lines and "ready", ends when its input ends.

Run as `python seam_peer.py STUB_DIRECTORY [ORB options]`.
"""

import sys
import threading
from pathlib import Path

OPTIONS = ["-ORBendPoint", "giop:tcp:127.0.0.1:", "-ORBnativeCharCodeSet", "UTF-8"]


def main() -> None:
    sys.path[:0] = [sys.argv[1], str(Path(__file__).resolve().parents[1])]
    from dgcc.corba import CORBA, PortableServer

    orb = CORBA.ORB_init(["peer", *OPTIONS, *sys.argv[2:]], CORBA.ORB_ID)
    from corba import seam_servants

    root = orb.resolve_initial_references("RootPOA")
    serial = root.create_POA(
        "serial", root._get_the_POAManager(), [root.create_thread_policy(PortableServer.SINGLE_THREAD_MODEL)]
    )
    root._get_the_POAManager().activate()
    served = {name: servant()._this() for name, servant in seam_servants.TURNERS.items()}
    served["echo"] = seam_servants.Echo()._this()
    served["both"] = seam_servants.Both()._this()
    one_at_a_time = seam_servants.Echo()
    serial.activate_object(one_at_a_time)
    served["serial"] = serial.servant_to_reference(one_at_a_time)
    for name, ref in served.items():
        print(name, orb.object_to_string(ref))
    print("ready", flush=True)

    def until_end() -> None:
        sys.stdin.read()
        orb.shutdown(False)

    threading.Thread(target=until_end, daemon=True).start()
    orb.run()
    orb.destroy()


if __name__ == "__main__":
    main()
