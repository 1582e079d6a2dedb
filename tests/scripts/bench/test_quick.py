"""A benchmark as people run it, in its quick form."""

import subprocess
import sys
from pathlib import Path

from scripts.bench.page.record import Record


def test_a_quick_run_measures_both_and_writes_what_it_read(tmp_path: Path) -> None:
    words = ("-m", "scripts.bench", "speed", "--quick", "--to", str(tmp_path))
    done = subprocess.run((sys.executable, *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    record = Record.load((tmp_path / "benchmarks" / "speed.json").read_text())
    written = {figure.peer: figure for figure in record.figures if figure.measure.startswith("written, ")}

    assert record.quick
    assert {peer: figure.n for peer, figure in written.items()} == {"containet": 2, "ovs-ofctl": 2}
    assert all(figure.least > 1000 for figure in written.values())
    assert "written, from intent to committed" in done.stdout
    assert "round 1 of 2" in done.stderr
    assert "## Speed" in (tmp_path / "benchmarks.md").read_text()


def test_what_is_not_understood_is_said_before_anything_is_done() -> None:
    words = ("-m", "scripts.bench", "dance")
    done = subprocess.run((sys.executable, *words), capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 2
    assert "there is no benchmark “dance”" in done.stderr
