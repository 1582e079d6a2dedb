import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lab import borrowed, plan
from scripts.lab.plan import LabError, Plan

HOLD = """
from scripts.lab import borrowed
with borrowed.lock("test-held"):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for labs' directories."""
    for room in (borrowed, plan):
        monkeypatch.setattr(room, "LABS", tmp_path / "labs")
    monkeypatch.setattr(borrowed, "BEFORE", tmp_path / "labs/before")
    monkeypatch.setattr(borrowed, "BUFFER", tmp_path / "rmem_default")
    monkeypatch.setattr(borrowed, "_hierarchies", lambda: {tmp_path / "cgroup"})
    (tmp_path / "rmem_default").write_text("212992\n")
    return tmp_path / "labs"


def test_each_lab_gets_a_subnet_that_no_other_has(labs: Path) -> None:
    first, second = (borrowed.with_subnet(Plan(name)) for name in ("one", "two"))
    (labs / "one/lab.json").unlink()
    third = borrowed.with_subnet(Plan("three"))

    assert (first.index, second.index, third.index) == (0, 1, 0)
    assert Plan.load(json.loads((labs / "two/lab.json").read_text())) == second


def test_the_last_lab_gives_the_buffer_back(labs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        borrowed.with_subnet(Plan(name))
        borrowed.enlarge_buffers()
    shutil.rmtree(labs / "one")
    borrowed.give_back()
    assert (tmp_path / "rmem_default").read_text() == str(borrowed.BUFFER_SIZE)

    shutil.rmtree(labs / "two")
    borrowed.give_back()

    assert (tmp_path / "rmem_default").read_text() == "212992\n"
    assert not labs.exists()


def test_the_labs_own_cgroup_stays_for_a_lab_that_has_yet_to_use_it(labs: Path, tmp_path: Path) -> None:
    """Removed between the engine's look for it and its use, it would be missing to the first container."""
    own = tmp_path / "cgroup" / borrowed.BRANCH
    for name in ("one", "two"):
        borrowed.with_subnet(Plan(name))
    (own / "one").mkdir(parents=True)
    shutil.rmtree(labs / "one")
    borrowed.prune("one")
    borrowed.give_back()
    assert own.exists()

    shutil.rmtree(labs / "two")
    borrowed.prune("two")
    borrowed.give_back()

    assert not own.exists()


def test_a_larger_buffer_is_left_alone(labs: Path, tmp_path: Path) -> None:
    (tmp_path / "rmem_default").write_text("33554432\n")
    shutil.rmtree(borrowed.with_subnet(Plan("one")).directory)

    borrowed.enlarge_buffers()
    borrowed.give_back()

    assert (tmp_path / "rmem_default").read_text() == "33554432\n"
    assert not labs.exists()


def test_a_lock_is_one_at_a_time() -> None:
    with borrowed.lock("test-lock"), pytest.raises(LabError, match="Somebody else"), borrowed.lock("test-lock", 0.1):
        pytest.fail("both have it")


def test_a_lock_goes_with_its_holder() -> None:
    with subprocess.Popen((sys.executable, "-c", HOLD), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        waits: list[str] = []
        with pytest.raises(LabError), borrowed.lock("test-held", 0.1, lambda: waits.append("once")):
            pytest.fail("both have it")
        holder.kill()
    with borrowed.lock("test-held", 5):
        assert waits == ["once"]
