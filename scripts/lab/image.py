"""The lab's container image, made of programs of this machine, because there may be no registry to pull from.

busybox with its applets as links in /bin (sh, ip, ping, nc, httpd, wget, sleep ...), and iperf3 with the libraries
that ldd names. In every engine of the lab it is called `containet/lab`, and `lab` for short.
"""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from scripts.lab.plan import PATH

NAMES = ("containet/lab", "lab")
PROGRAMS = ("busybox", "iperf3")
CHANGES = ("CMD sh", "ENV PATH=/bin")  # Dockerfile syntax, for `docker import --change`
LINKS = {"sbin": "bin", "usr/bin": "../bin", "usr/sbin": "../bin", "var/run": "../run"}
DIRECTORIES = ("bin", "etc", "root", "run", "usr", "var", "tmp", "www", "proc", "sys", "dev")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "www/index.html": "hello from the lab\n",
}


def libraries(program: str) -> set[str]:
    """What it is linked with, the loader too; nothing for a static program."""
    listed = subprocess.run(("ldd", program), capture_output=True, text=True, timeout=10, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", listed))


def applets(busybox: str) -> list[str]:
    """The names that it answers to, itself left out."""
    listed = subprocess.run((busybox, "--list"), capture_output=True, text=True, timeout=10, check=True).stdout
    return sorted(set(listed.split()) - set(PROGRAMS))


def write(path: Path) -> None:
    """Write the image's files as a tar to `path`."""
    found = {name: shutil.which(name, path=PATH) or name for name in PROGRAMS}
    with tarfile.open(path, "w") as tar:
        for name in DIRECTORIES:
            _add(tar, name, tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)
        for name, target in LINKS.items():
            _add(tar, name, tarfile.SYMTYPE, target=target)
        for name, text in FILES.items():
            _add(tar, name, tarfile.REGTYPE, content=text.encode(), mode=0o644)
        for name, program in found.items():
            _add(tar, f"bin/{name}", tarfile.REGTYPE, content=Path(program).read_bytes())
        for name in applets(found["busybox"]):
            _add(tar, f"bin/{name}", tarfile.SYMTYPE, target="busybox")
        for library in sorted(set().union(*map(libraries, found.values()))):
            _add(tar, library.lstrip("/"), tarfile.REGTYPE, content=Path(library).read_bytes())


def _add(
    tar: tarfile.TarFile, name: str, kind: bytes, *, target: str = "", content: bytes = b"", mode: int = 0o755
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, target, len(content)
    tar.addfile(entry, io.BytesIO(content))
