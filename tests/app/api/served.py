"""The twin's two hosts behind the real server, as a process: prints its port, and serves until its input ends.

`python -m tests.app.api.served FILES`: FILES is how many files it may open.
"""

import resource
import sys

import eventlet
import eventlet.tpool

from app.api import server
from tests.app.api.twin import Twin, desk, two_hosts


def beat() -> bool:
    eventlet.sleep(0.05)
    return True


def main() -> None:
    eventlet.monkey_patch()  # as in the controller
    files = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    server.BODY_TIMEOUT = 1.0
    server.DRAIN_TIMEOUT = 1.0
    serving = server.serve(desk(two_hosts(Twin(beat=beat))), ["127.0.0.1"], 0)
    print(serving.addresses[0][1], flush=True)
    eventlet.tpool.execute(sys.stdin.read)


if __name__ == "__main__":
    main()
