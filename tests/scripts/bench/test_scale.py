"""The benchmark of scale, small: the real controller and the real switch, and helpers that are played."""

from scripts.bench.measures.scale import ALONE, EMPTY_VLAN, Side, attach, move
from scripts.bench.page.figures import OURS
from scripts.bench.page.notebook import Notebook
from scripts.bench.played.world import FIRST_VLAN, Size, world


def test_changes_are_timed_and_leave_the_world_as_it_was() -> None:
    notebook = Notebook("scale", quick=True)
    with world(Size(networks=1, endpoints=20, spread=2)) as small:
        side = Side(ALONE, small)
        small.start()
        before = small.flows()
        attach(notebook, side)
        move(notebook, side, EMPTY_VLAN)
        away = small.api("GET", "/v1/endpoints/c0-0")
        move(notebook, side, FIRST_VLAN)
        memory = small.controller.peak_mb()
        states = {end["state"] for end in small.api("GET", "/v1/endpoints")}
    read = {figure.measure: figure for figure in notebook.figures()}

    assert len(before) == 2
    assert min(before) > 20 * 2
    assert (away["vlan"], states) == (EMPTY_VLAN, {"up"})
    assert (read["attach: call to answer"].n, read["move: call to answer"].n) == (1, 2)
    assert all(figure.peer == ALONE != OURS and figure.least > 0 for figure in read.values())
    assert memory > 10
