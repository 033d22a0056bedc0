"""The demo's files are found wherever the distribution is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import gateway, pathlib, sys
from gateway.cli import examples, legacy_hr
demo = examples.locate("demo.yaml")
legacy_hr.create(pathlib.Path(sys.argv[1]) / "hr.db", empty=True)
print(pathlib.Path(gateway.__file__).parent.parent, demo, demo.stat().st_size, sep="\\n")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked by pip into a folder of its own outside the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", str(ROOT), "--no-deps", *isolation, "--wheel-dir", str(folder)]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True, cwd=folder)
    return folder / "site"


def test_an_installed_wheel_brings_the_demo_with_it(installed: Path, tmp_path: Path) -> None:
    """Outside the clone the demo's configuration and database come from the wheel, not from a checkout."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    where, demo, size = done.stdout.split("\n")[:3]
    assert Path(where) == installed
    assert Path(demo).is_relative_to(installed)
    assert int(size) == (ROOT / "config" / "demo.yaml").stat().st_size
    assert (tmp_path / "hr.db").exists()


def test_a_wheel_has_the_licence_and_no_tests(installed: Path) -> None:
    """What is installed is the program: both packages with their types marked, the licence, and no tests."""
    assert (installed / "gateway" / "py.typed").exists()
    assert (installed / "backends" / "py.typed").exists()
    assert list(installed.glob("scim_gateway-*.dist-info/**/LICENSE"))
    assert not (installed / "tests").exists()
