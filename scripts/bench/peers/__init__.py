"""The peers, one file each."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from scripts.bench.peers.containet import Containet
from scripts.bench.peers.ovn import Ovn
from scripts.bench.peers.ovs_docker import OvsDocker
from scripts.bench.peers.peer import Peer
from scripts.bench.peers.place import place
from scripts.bench.peers.raw import Raw

PEERS: dict[str, type[Containet] | type[OvsDocker] | type[Ovn] | type[Raw]] = {
    kind.name: kind for kind in (Containet, OvsDocker, Ovn, Raw)
}


@contextmanager
def standing(*names: str) -> Iterator[list[Peer]]:
    """These peers, each ready on hosts of its own, all at once."""
    with ExitStack() as undo:
        yield [PEERS[name](undo.enter_context(place(bare=name != Containet.name))) for name in names]
