"""test.sh, with small tests in the places of the true ones: each is run once, and no failure is passed over."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.lab.plan import BIN

TOP = Path(__file__).parents[2]
GOOD = "def test_it(): pass\n"
TESTS = {
    "hosts/test_loose.py": GOOD,
    "hosts/new/test_new.py": GOOD,
    "hosts/bad/test_bad.py": "def test_it(): assert 0\n",
    "hosts/dead/test_dead.py": "import os\ndef test_it(): os._exit(0)\n",
    "hosts/promises/test_last.py": GOOD,
    "hosts/__pycache__/nothing": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout that is prepared already."""
    for path, text in TESTS.items():
        (tmp_path / "tests" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / path).write_text(text)
    (tmp_path / "scripts").mkdir()
    for name in ("test.sh", "count.py", "__init__.py"):
        shutil.copy(TOP / "scripts" / name, tmp_path / "scripts")
    (tmp_path / "scripts/prepare.sh").write_text(f"prepare() {{ export PATH={BIN}:$PATH; }}\n")
    return tmp_path


def run(tree: Path, words: str) -> "subprocess.CompletedProcess[str]":
    """As a machine does it, that has no standard input."""
    return subprocess.run(
        ("sh", "-c", f"exec scripts/test.sh {words} <&-"),
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_room_is_run_once_and_what_measures_when_all_else_is_done(tree: Path) -> None:
    done = run(tree, "hosts")
    *began, failed = [line for line in done.stdout.splitlines() if line.startswith("test.sh:")]

    assert done.stdout.splitlines()[-1] == "3 passed, 2 failed", done.stdout + done.stderr
    assert done.returncode == 1
    assert sorted(began) == [f"test.sh: hosts{room} tests" for room in ("", "/bad", "/dead", "/new", "/promises")]
    assert began[-1] == "test.sh: hosts/promises tests"
    assert "hosts/bad tests" in failed
    assert "hosts/dead tests" in failed


def test_one_room_is_run_alone(tree: Path) -> None:
    done = run(tree, "hosts/new")

    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed", done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("everything", "“everything” is not understood"),
        ("hosts/nowhere", "there is no room tests/hosts/nowhere"),
        ("hosts/new/", "there is no room tests/hosts/new/"),
    ],
)
def test_what_is_not_there_is_refused(tree: Path, part: str, why: str) -> None:
    done = run(tree, part)

    assert done.returncode == 2
    assert why in done.stderr
