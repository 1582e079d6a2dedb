"""What a lab could leave on this machine, so that a test can see that it does not."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

from scripts.lab.borrowed import BEFORE, BRANCH, BUFFER, lock
from scripts.lab.machine import keepers
from scripts.lab.plan import LABS


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def parents() -> dict[int, int]:
    return {int(pid): int(parent) for pid, parent in map(str.split, said("ps", "-e", "-o", "pid=,ppid=").splitlines())}


def inhabitants(lab: Path) -> set[int]:
    """The keepers of a lab and all that runs below them."""
    parent, found = parents(), {keeper.pid for keeper in keepers(lab)}
    while more := {pid for pid, above in parent.items() if above in found} - found:
        found |= more
    return found


def namespaces(pids: set[int]) -> set[str]:
    """The namespaces that these processes are in and we are not."""
    ours = {str(link.readlink()) for link in Path("/proc/self/ns").iterdir()}
    found: set[str] = set()
    for pid in pids:
        with suppress(OSError):  # it has ended meanwhile
            found |= {str(link.readlink()) for link in Path(f"/proc/{pid}/ns").iterdir()}
    return found - ours


def machine(name: str) -> set[str]:
    """What the machine has, or gets back from the last lab: others may go, and come, between two looks."""
    with lock("machine"):
        used = any(path.is_dir() and path.name != name for path in LABS.glob("*"))
        lent = BEFORE.exists()
        had = {f"rmem_default {(BEFORE if lent else BUFFER).read_text()}"}
        kept = {"rmem_default not given back"} if lent else set()
        return had if used else had | kept | ({"the labs' directory"} if LABS.exists() else set())


def belongings(name: str) -> set[str]:
    """What is on the machine that a lab could leave there; other people's labs, which may come and go, left out."""
    others = [path for path in LABS.glob("*/") if path.name != name]
    strange = {pid for other in others for pid in inhabitants(other)}
    seen = namespaces({int(path.name) for path in Path("/proc").glob("[0-9]*")} - strange) - namespaces(strange)
    links = {f"link {link['ifname']}" for link in json.loads(said("ip", "-json", "link"))}
    mounts = {line.split(" ", 1)[1] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    tops = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup" in line}
    branches = {str(path) for top in tops for path in Path(top).glob(f"{BRANCH}/{name}/**")}
    directories = {str(path) for path in LABS.glob(name)}
    links -= {f"link lab-{other.name}" for other in others}
    return seen | links | mounts | branches | directories | machine(name)
