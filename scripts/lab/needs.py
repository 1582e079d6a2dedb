"""What a lab needs of this machine, asked before anything is made."""

import os
import shutil
import socket
from pathlib import Path

from scripts.lab.plan import PATH, LabError, Plan

PACKAGES = {  # program -> Debian and Ubuntu package
    "busybox": "busybox-static",
    "containerd": "containerd",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "iperf3": "iperf3",
    "ldd": "libc-bin",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-common",
    "runc": "runc",
    "setpriv": "util-linux",
    "sysctl": "procps",
}


def root() -> None:
    """Raise LabError if this is not root."""
    if os.geteuid():
        raise LabError("A lab makes network namespaces, and that takes root: use sudo.")


def check() -> None:
    """Raise LabError naming what is missing and the package that has it."""
    root()
    missing = sorted(program for program in PACKAGES if shutil.which(program, path=PATH) is None)
    if missing:
        packages = " ".join(sorted({PACKAGES[program] for program in missing}))
        raise LabError(f"A lab needs {', '.join(missing)}: install with “apt-get install {packages}”.")
    if not Path("/dev/net/tun").exists():
        raise LabError("A lab needs /dev/net/tun, and this kernel has none: try “modprobe tun”.")


def free(plan: Plan) -> None:
    """Raise LabError if somebody else has the lab's REST port; OpenFlow is on an address that only the lab has."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", plan.port))
        except OSError as error:
            raise LabError(f"Port {plan.port} is in use on this machine: choose another with --port.") from error
