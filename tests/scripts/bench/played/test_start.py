"""Starting the controller of a played cloud again."""

import re

from scripts.bench.played.world import Size, world


def test_the_flows_stay_over_a_start_and_go_when_the_bridges_forget() -> None:
    with world(Size(networks=1, endpoints=10, spread=2)) as small:
        small.start()
        before = small.flows()
        first = small.switches[0].ofctl("dump-flows", "h1")
        small.controller.kill()
        small.start()
        again = small.switches[0].ofctl("dump-flows", "h1")
        small.controller.kill()
        small.empty()
        emptied = small.flows()
        small.controller.forget()
        small.start()

        assert small.flows() == before
    assert emptied == [0, 0]
    assert _oldest(again) >= _oldest(first) > 0


def _oldest(listing: str) -> float:
    return max(float(said) for said in re.findall(r"duration=([\d.]+)s", listing))
