"""What Docker said is known for as long as it is so, and as events would say if it were not."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.helper.containers import Container
from scripts.helper.remembered import KEPT_S, MOST, Remembered


@pytest.fixture
def remembered() -> Iterator[Remembered]:
    made = Remembered()
    with made.listening():
        yield made


@pytest.fixture
def web1(tmp_path: Path) -> Container:
    """One that runs: its namespace has two names."""
    (tmp_path / "sandbox").touch()
    (tmp_path / "netns").symlink_to("sandbox")
    return Container("c1", "web1", str(tmp_path / "netns"), sandbox=str(tmp_path / "sandbox"))


def test_it_is_known_by_name_and_by_id(remembered: Remembered, web1: Container) -> None:
    remembered.keep(web1, remembered.heard)

    assert remembered.find("web1") == remembered.find("c1") == web1
    assert remembered.find("c") is remembered.find("web2") is None


def test_an_event_of_it_makes_it_unknown_and_one_of_another_does_not(remembered: Remembered, web1: Container) -> None:
    remembered.keep(web1, remembered.heard)

    with remembered.attending("c2"):
        assert remembered.find("web1") is None, "more events may wait"
    assert remembered.find("web1") == web1
    with remembered.attending("c1"):
        pass
    assert remembered.find("web1") is None


def test_what_was_asked_before_an_event_is_not_kept_after_it(remembered: Remembered, web1: Container) -> None:
    heard = remembered.heard
    with remembered.attending("c1"):
        remembered.keep(web1, heard)

    assert remembered.find("web1") is None


def test_what_is_said_while_an_event_is_attended_to_is_known_afterwards(
    remembered: Remembered, web1: Container
) -> None:
    with remembered.attending("c1"):
        remembered.keep(web1, remembered.heard)

    assert remembered.find("web1") == web1


def test_nothing_is_known_without_events_nor_from_before_them(web1: Container) -> None:
    remembered = Remembered()
    heard = remembered.heard
    remembered.keep(web1, heard)
    assert remembered.find("web1") is None

    with remembered.listening():
        remembered.keep(web1, heard)
        assert remembered.find("web1") is None
        remembered.keep(web1, remembered.heard)
        assert remembered.find("web1") == web1

    with remembered.listening():
        assert remembered.find("web1") is None


def test_one_whose_process_is_gone_or_another_is_unknown(
    remembered: Remembered, web1: Container, tmp_path: Path
) -> None:
    remembered.keep(web1, remembered.heard)

    (tmp_path / "netns").unlink()
    assert remembered.find("web1") is None
    (tmp_path / "netns").touch()
    assert remembered.find("web1") is None


def test_a_name_is_that_of_whom_docker_called_so_last(remembered: Remembered, web1: Container) -> None:
    """Should the event that he is called otherwise be lost."""
    later = Container("c2", "web1", web1.netns, sandbox=web1.sandbox)
    remembered.keep(web1, remembered.heard)
    remembered.keep(later, remembered.heard)

    assert remembered.find("web1") == remembered.find("c2") == later
    assert remembered.find("c1") is None


def test_it_is_not_known_for_ever(remembered: Remembered, web1: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered.keep(web1, remembered.heard)
    later = time.monotonic() + KEPT_S + 1

    monkeypatch.setattr("scripts.helper.remembered.time.monotonic", lambda: later)

    assert remembered.find("web1") is None


def test_no_more_than_so_many_are_known(remembered: Remembered, web1: Container) -> None:
    for number in range(MOST + 1):
        each = Container(f"c{number}", f"web{number}", web1.netns, sandbox=web1.sandbox)
        remembered.keep(each, remembered.heard)

    assert remembered.find("web0") is None
    assert remembered.find("web1") is not None
