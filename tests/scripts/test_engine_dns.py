"""The engine's configuration names the helper first, and says all that a person wrote."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.engine_dns import RESOLVER, EngineConfigError, added, removed, rewrite

PERSONS = {"live-restore": True, "dns": ["10.0.0.1"], "registry-mirrors": ["https://größe.example.org"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "docker/daemon.json"


@pytest.mark.parametrize("before", [{}, PERSONS, {"dns": []}, {"dns": ["10.0.0.1", RESOLVER]}])
def test_it_is_asked_first_and_nothing_is_lost(file: Path, before: dict[str, object]) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps(before))
    file.chmod(0o600)

    assert rewrite(file, added)
    after = json.loads(file.read_text())
    said = before.get("dns", [])
    assert isinstance(said, list)
    assert after == before | {"dns": [RESOLVER, *(each for each in said if each != RESOLVER)]}
    assert file.stat().st_mode & 0o777 == 0o600

    text = file.read_text()
    assert not rewrite(file, added)
    assert file.read_text() == text


def test_what_was_added_goes_without_a_trace(file: Path) -> None:
    assert rewrite(file, added)
    assert rewrite(file, removed)
    assert not file.exists()
    assert not rewrite(file, removed)

    file.write_text(json.dumps(PERSONS))
    rewrite(file, added)
    rewrite(file, removed)
    assert json.loads(file.read_text()) == PERSONS


def test_where_a_person_keeps_it_it_stays(file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(PERSONS))
    file.parent.mkdir()
    file.symlink_to(kept)

    rewrite(file, added)

    assert file.is_symlink()
    assert json.loads(kept.read_text())["dns"] == [RESOLVER, "10.0.0.1"]


@pytest.mark.parametrize("text", ["{", "[]", '{"dns": "10.0.0.1"}'])
def test_what_is_not_understood_is_not_touched(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)

    with pytest.raises(EngineConfigError, match=r"daemon\.json"):
        rewrite(file, added)

    assert file.read_text() == text


def test_the_command_says_what_it_did(file: Path) -> None:
    def said(word: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "scripts.engine_dns", word, str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout + done.stderr

    assert said("add") == (0, "changed\n")
    assert said("add") == (0, "as it was\n")
    assert said("remove") == (0, "changed\n")
    file.write_text("{")
    assert said("add")[0] == 1
