"""Docker on one host: containerd and dockerd, started plain, because the host has its own /run, /etc and /var/lib.

containerd is a process of its own: a dockerd that is killed then finds its containers alive (live-restore). In the lab
all networking is Containet's: there is no default bridge, and the engine keeps its hands off iptables. With the plan's
`firewall` it is as Debian installs it: docker0, and FORWARD drops what the engine does not know. cgroups are the one
thing that the hosts share with the machine, so each host's containers get a branch of their own that `down` can find.
"""

import http.client
import json
import socket
from pathlib import Path

from scripts.lab import image
from scripts.lab.borrowed import branch
from scripts.lab.command import command
from scripts.lab.machine import Machine
from scripts.lab.plan import Plan

CONTAINERD = ("containerd", "--config", "/etc/containerd/config.toml")
DOCKERD = ("dockerd", "--config-file", "/etc/docker/daemon.json", "--containerd", "/run/containerd/containerd.sock")
NO_NETWORKING = {"bridge": "none", "iptables": False, "ip-forward": False, "ip-masq": False}
CONTAINERD_CONFIG = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'


def configure(host: Machine, plan: Plan) -> None:
    """Write the configuration of both."""
    settings = {
        **({} if plan.firewall else NO_NETWORKING),
        "live-restore": True,
        "dns": ["169.254.53.53"],  # the helper: see docs/docker.md
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{branch(plan.name)}/{host.name}",
    }
    for name, text in (("containerd/config.toml", CONTAINERD_CONFIG), ("docker/daemon.json", json.dumps(settings))):
        path = host.root / "etc" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def start_containerd(host: Machine, plan: Plan) -> None:
    """containerd, ready to serve."""
    configure(host, plan)
    host.start("containerd", CONTAINERD)
    host.wait("containerd", (host.directory / "run/containerd/containerd.sock").exists, "make its socket")


def start_dockerd(host: Machine, _: Plan) -> None:
    """dockerd, ready to serve."""
    host.start("dockerd", DOCKERD)
    host.wait("dockerd", lambda: answers(host.directory / "run/docker.sock", "/_ping"), "answer", seconds=60)


def load(host: Machine, tar: Path) -> None:
    """Make the lab's image from that file, which is not within the host's own sight."""
    name, *others = image.NAMES
    changes = [word for change in image.CHANGES for word in ("--change", change)]
    docker = ("docker", "--host", f"unix://{host.directory}/run/docker.sock")
    command((*docker, "import", *changes, str(tar), name))
    for other in others:
        command((*docker, "tag", name, other))


def answers(path: Path, resource: str) -> bool:
    """Whether an HTTP server on that Unix socket says 200."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = link
        try:
            link.connect(str(path))
            connection.request("GET", resource)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
