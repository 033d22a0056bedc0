"""The table of requirements and tests is up to date, and no requirement is without a test."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "requirements_table", Path(__file__).with_name("requirements_table.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_has_a_test(table: ModuleType) -> None:
    """No number of the protocol's requirements is without a test that names it."""
    assert table.missing(table.collect()) == []


def test_the_table_is_up_to_date(table: ModuleType) -> None:
    """What README.md says is what the docstrings say; `make generate` writes it anew."""
    written = table.TABLE.read_text(encoding="utf-8") if table.TABLE.exists() else ""
    stale = set(table.render(table.collect()).splitlines()) ^ set(written.splitlines())
    assert not stale, "run make generate"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("names ignore case ({}2)", {"2"}),
        ("({}2, {}10)", {"2", "10"}),
        ("({}5-{}7)", {"5", "6", "7"}),
        ("({}5–{}7)", {"5", "6", "7"}),
        ("{}3: said first", {"3"}),
        ("R-{}3, X{}3, {}3a, {}300, U+{}3, {}0, {}99, {}3-x", set()),
    ],
)
def test_numbers_are_found_in_docstrings(table: ModuleType, text: str, numbers: set[str]) -> None:
    """A number counts wherever it stands alone, a range for all between, other people's numbers not at all."""
    assert table.cited(text.replace("{}", "S")) == {f"S{number}" for number in numbers}


def test_every_number_is_known(table: ModuleType) -> None:
    """The chapters hold the numbers they should, without gaps, and each has its words."""
    sizes = {letter: len(numbers) for letter, (_, numbers) in table.CHAPTERS.items()}
    assert sizes == {"D": 10, "S": 17, "H": 16, "F": 16, "P": 9, "Q": 9, "B": 7, "V": 2, "C": 4, "G": 2, "N": 10}
    assert list(table.REQUIREMENTS) == [f"{letter}{n}" for letter, size in sizes.items() for n in range(1, size + 1)]
    assert all(table.REQUIREMENTS.values())


def test_tests_and_exchanges_are_both_counted(table: ModuleType, tmp_path: Path) -> None:
    """A test in a class, an asynchronous one and a step of a recorded exchange each count by their own name."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "test_a.py").write_text(
        'async def test_one() -> None:\n    "It holds (V1)."\n\n\nclass TestB:\n    def test_two(self) -> None:\n'
        '        """Holds (V1, V2)."""\n\n\ndef helper() -> None:\n    """Not a test (V2)."""\n',
        encoding="utf-8",
    )
    (tmp_path / "clients" / "x").mkdir(parents=True)
    exchange = {"cites": ["E1"], "steps": [{"name": "a|b", "cites": ["V2"]}]}
    (tmp_path / "clients" / "x" / "y.json").write_text(json.dumps(exchange), encoding="utf-8")
    held = table.collect(tmp_path)
    assert held["V1"] == ["room/test_a.py::test_one", "room/test_a.py::test_two"]
    assert held["V2"] == ["room/test_a.py::test_two", "clients/x/y.json: a|b"]
    assert held["S1"] == []
    assert "S1" in table.missing(held)
    assert r"| clients/x/y.json: a\|b<br>room/test_a.py::test_two |" in table.render(held)
    assert "| S1 | defaults of the characteristics | **none** |" in table.render(held)


def test_the_script_says_what_is_wrong(
    table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` writes nothing and fails on a stale table; without it the table is written and then is current."""
    target = tmp_path / "README.md"
    monkeypatch.setattr(table, "TABLE", target)
    monkeypatch.setattr(table, "collect", lambda: {number: ["a.py::test_a"] for number in table.REQUIREMENTS})
    assert table.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().err
    assert not target.exists()
    assert (table.main([]), table.main(["--check"])) == (0, 0)
    monkeypatch.setattr(table, "collect", lambda: {number: [] for number in table.REQUIREMENTS})
    assert (table.main([]), table.main(["--check"])) == (0, 1)
    assert "without a test: D1, " in capsys.readouterr().err
