"""Many endpoints declared at once, in few: each switch has them when that is said, and none afterwards."""

from contextlib import ExitStack

from scripts.bench.declared import Declaring
from scripts.bench.declared.by_hand import ByHand
from scripts.bench.declared.ours import ours
from scripts.bench.played.dummy import dummy
from scripts.bench.played.world import Size

SIZE = Size(networks=2, endpoints=20, spread=2)
HERE = FAR = 20  # endpoints of a host, and of the other


def counted(peer: Declaring) -> tuple[list[int], list[int]]:
    peer.declare()
    there = peer.flows()
    peer.clear()
    return there, peer.flows()


def test_by_hand_each_endpoint_has_a_flow_and_each_here_another() -> None:
    with ExitStack() as undo:
        there, cleared = counted(ByHand(SIZE, [undo.enter_context(dummy()) for _ in range(SIZE.hosts)]))

    tunnel, floods = 1, SIZE.networks
    assert there == [2 * HERE + FAR + tunnel + floods] * 2
    assert cleared == [0, 0]


def test_ours_are_there_when_the_controller_says_so() -> None:
    with ours(SIZE) as peer:
        there, cleared = counted(peer)

    assert min(there) > 5 * HERE + 2 * FAR
    assert max(cleared) < HERE
