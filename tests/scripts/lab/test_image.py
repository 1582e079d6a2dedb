import subprocess
import tarfile
from pathlib import Path

import pytest

from scripts.lab import image


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's files."""
    directory = tmp_path_factory.mktemp("image")
    image.write(directory / "image.tar")
    with tarfile.open(directory / "image.tar") as tar:
        tar.extractall(directory / "root")  # noqa: S202 - written a line before
    return directory / "root"


@pytest.mark.parametrize("name", ["sh", "ip", "ping", "nc", "httpd", "wget", "sleep"])
def test_applets_are_links_to_one_busybox(root: Path, name: str) -> None:
    assert (root / "bin" / name).resolve() == root / "bin/busybox"


def test_iperf3_has_its_libraries_with_it(root: Path) -> None:
    loader = next(root.glob("lib*/**/ld-linux*"))
    places = {str(path.parent) for path in root.rglob("*.so*")}

    # by its own loader and from these directories only, so a library that is missing here is missed
    done = subprocess.run(
        (loader, "--inhibit-cache", "--library-path", ":".join(places), root / "bin/iperf3", "--version"),
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    listed = subprocess.run(("ldd", root / "bin/iperf3"), capture_output=True, text=True, timeout=10, check=True).stdout
    needed = [line.split()[2] for line in listed.splitlines() if "=> /" in line]

    assert done.stdout.startswith("iperf 3")
    assert needed
    assert all((root / library.lstrip("/")).is_file() for library in needed)


def test_nothing_in_it_points_outside(root: Path) -> None:
    outside = [link for link in root.rglob("*") if link.is_symlink() and root not in link.resolve().parents]

    assert outside == []
