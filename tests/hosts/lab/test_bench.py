"""A benchmark on hosts of its own, in its quick form."""

import subprocess
import sys
from pathlib import Path

from scripts.bench.page.record import Record
from scripts.lab.plan import LABS


def test_throughput_is_measured_by_turns_and_nothing_is_left(tmp_path: Path) -> None:
    words = ("-m", "scripts.bench", "throughput", "--quick", "--to", str(tmp_path))
    with subprocess.Popen((sys.executable, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        _, complaints = run.communicate(timeout=120)
    assert run.returncode == 0, complaints
    record = Record.load((tmp_path / "benchmarks" / "throughput.json").read_text())
    streams = {figure.peer: figure for figure in record.figures if figure.measure == "TCP"}

    assert {peer: figure.n for peer, figure in streams.items()} == {"containet": 2, "two bare flows": 2}
    assert all(figure.least > 10 for figure in streams.values())
    assert not list(LABS.glob(f"b{run.pid}-*"))
