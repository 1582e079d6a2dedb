"""PID 1 of one machine of the lab: makes its namespaces, starts what it is told to, buries the dead.

Everything that runs there is its child, so the kernel ends all of it when the keeper is killed: that is what makes
`lab down` sure. Started as `python -m scripts.lab.keeper DIRECTORY KIND`, it prints its pid once the machine stands.

| kind       | namespaces          | its own files                                             |
|------------|---------------------|-----------------------------------------------------------|
| host       | pid, mount, net, uts| /run = DIRECTORY/run; /etc and /var/lib copied on write    |
| plain      | pid, mount, net, uts| the machine's                                             |
| controller | pid, mount          | the machine's, and its network: REST is on its 127.0.0.1  |

It listens on DIRECTORY/keeper.sock (SEQPACKET, one request a connection): `{"argv": [...], "env": {...}}` and, as
ancillary data, the file for its output. Answer: `{"pid": N}` as seen inside, or `{"error": "..."}`.
Standard library only: every machine has one, and it must start fast.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path

SOCKET = "keeper.sock"
LONGEST_REQUEST = 1 << 16  # bytes
NAMESPACES = {  # linux/sched.h
    "controller": 0x00020000 | 0x20000000,  # CLONE_NEWNS, CLONE_NEWPID
    "plain": 0x00020000 | 0x20000000 | 0x40000000 | 0x04000000,  # and CLONE_NEWNET, CLONE_NEWUTS
    "host": 0x00020000 | 0x20000000 | 0x40000000 | 0x04000000,
}
OWN = ("/etc", "/var/lib")  # copied on write: what a host writes there, no other sees
DISKS = ("/var/lib/docker", "/var/lib/containerd")  # an overlay cannot hold another's layers, so these are plain


def unshare(flags: int) -> None:
    """Leave these shared namespaces; `os` can do it only from Python 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(*arguments: str) -> None:
    """Mount, by the command, whose own words go to standard error."""
    subprocess.run(("mount", *arguments), check=True, timeout=10)


def own_sys(aside: Path) -> None:
    """A /sys that shows this network namespace, with the machine's cgroups put back: Docker needs them there."""
    aside.mkdir()
    mount("--rbind", "/sys/fs/cgroup", str(aside))
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", str(aside), "/sys/fs/cgroup")


def own_files(directory: Path) -> None:
    """The host's own disk, in memory: gone with the mount namespace, and any overlay can stand on it."""
    disk = directory / "disk"
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(disk))
    own_sys(disk / "cgroup")
    for path in OWN:
        place = disk / path.strip("/").replace("/", "-")
        upper, work = place / "upper", place / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path)
    for path in DISKS:
        place = disk / Path(path).name
        place.mkdir()
        Path(path).mkdir(exist_ok=True)
        mount("--bind", str(place), path)
    mount("--bind", str(directory / "run"), "/run")  # last: it hides the directory itself


def build(directory: Path, kind: str) -> socket.socket:
    """Make this machine; returns the socket that it listens on."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(directory / SOCKET))
    listener.listen()
    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")
    if kind != "controller":
        socket.sethostname(directory.name)
    if kind == "host":
        own_files(directory)
    return listener


def start(listener: socket.socket) -> None:
    """Answer one request: start a process, detached, with the output file that came along."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        fds: list[int] = []
        try:
            request, fds, _, _ = socket.recv_fds(connection, LONGEST_REQUEST, 1)
            order = json.loads(request)
            answer: dict[str, object] = {"pid": spawn(order["argv"], order["env"], fds[0])}
        except (OSError, ValueError, LookupError) as error:
            answer = {"error": str(error)}
        finally:
            for fd in fds:
                os.close(fd)
        try:
            connection.send(json.dumps(answer).encode())
        except OSError:  # who asked has gone; what was asked for is done
            return


def spawn(argv: list[str], env: dict[str, str], output: int) -> int:
    """Start it in a session of its own, output to this file; raises OSError if there is no such program."""
    return os.posix_spawnp(
        argv[0],
        argv,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, and a child would inherit that
    )


def bury() -> None:
    """Take the exit code of every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def serve(listener: socket.socket) -> None:
    """For ever: requests, and the ends of children."""
    wake, wakened = socket.socketpair()
    wake.setblocking(False)
    wakened.setblocking(False)
    signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    start(listener)
                else:
                    wake.recv(4096)
            bury()


def main() -> None:
    """Fork into the new pid namespace; the parent says the child's pid once it is ready, and goes."""
    directory, kind = Path(sys.argv[1]), sys.argv[2]
    unshare(NAMESPACES[kind])
    ready, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        if not os.read(ready, 1):
            sys.exit(f"the keeper of {directory.name} died")
        print(pid)
        return
    os.setsid()
    os.chdir("/")
    listener = build(directory, kind)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.write(tell, b".")
    os.close(tell)
    serve(listener)


if __name__ == "__main__":
    main()
