import subprocess
import sys
from pathlib import Path

import pytest

from scripts.count import count

GOOD = "def test_good(): pass\n"
BAD = "import pytest\ndef test_bad(): assert 0\n@pytest.mark.skip\ndef test_skipped(): pass\n"
BROKEN = "import pytest\n@pytest.fixture\ndef broken():\n    yield\n    raise OSError\ndef test_broken(broken): pass\n"


@pytest.mark.parametrize(
    ("tests", "counted"),
    [
        (GOOD, (1, 0)),
        (GOOD + BAD, (1, 2)),
        (GOOD + BROKEN, (1, 1)),
        ("import nonsense\n", (0, 1)),
        ("", (0, 1)),
        (GOOD + "def test_crash():\n    import os\n    os._exit(0)\n", (0, 1)),
    ],
)
def test_a_run_is_counted(tmp_path: Path, tests: str, counted: tuple[int, int]) -> None:
    (tmp_path / "test_it.py").write_text(tests)
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", f"--rootdir={tmp_path}", f"--junit-xml={report}", "."]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert count(report, ran.returncode) == counted
