"""Configurations nobody meant: each is drawn, or refused with file and line; never a traceback, a hang or a secret."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from gateway.app import draw
from gateway.plugins import Plugins
from gateway.settings import Place, Problem, SettingsError, load

CONFIG = Path(__file__).parents[2] / "config"
FILES = sorted(path.name for path in CONFIG.glob("*.yaml"))
LONG = os.environ.get("SCIM_SOAK") == "1"
CASES = 1200 if LONG else 40
"""For each file."""
SOON = 5.0
"""Seconds; one takes some hundredths."""
SECRET = "marked-secret-0123456789abcdef0123456789abcdef"
JUNK = [
    "", "~", "true", "0", "-1", "1e400", ".nan", "9" * 400, "2026-13-99", "[]", "{}", "[ ~ ]", "{ a: }", '"', "'", "&a",
    "*a", "!!python/object:os.system {}", "!x y", "|", ">", "- -", "? a", "%YAML 1.1", "---", "...", "{ <<: 7 }",
    "${env:A}", "${file:/nowhere}", "${env:}", "${x:y}", "${", "$${env:A}", "\x00", "\ufeff", "\ud7ff", "é日\U0001f600",
    "/etc/passwd", "unix:/x", "127.0.0.1:99999", "http://[::1", "sqlite://", "x" * 3000, "[" * 300, "{a: " * 300, "on",
    "*a: b", "a: b: c", "\t", "urn:x", 'emails[type eq "', "values", "{ values: { A: true, A: false } }",
    "{ regex: '(' }",
]  # fmt: skip


MEANT = {
    "_SHA256": "0123456789abcdef" * 4, "_LISTEN": "127.0.0.1:0", "_METRICS": "127.0.0.1:0", "_ADMIN": "127.0.0.1:0",
    "_STORE": "sqlite:///store.db", "_DATABASE": "sqlite:///hr.db", "_DATABASE_URL": "sqlite:///hr.db",
    "_CACHE": "memory", "_URL": "https://x.example.com", "_WSDL": "x.wsdl",
}  # fmt: skip
"""What variables hold, by how their names end; the others hold the marked secret."""


class Everything(Mapping[str, str]):
    """An environment in which every variable is set, to something that fits."""

    def __getitem__(self, name: str) -> str:
        ends = [end for end in MEANT if name.endswith(end)]
        return MEANT[max(ends, key=len)] if ends else SECRET

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def mangled(choose: random.Random, text: str) -> str:
    """Alter some lines of a configuration: values, keys, indentation; take some out, put some twice."""
    lines = text.splitlines()
    for _ in range(choose.choice([1, 1, 2, 5])):
        place = choose.randrange(len(lines))
        line = lines[place]
        before, colon, _ = line.partition(":")
        match choose.randrange(7):
            case 0:
                lines[place] = f"{before}{colon} {choose.choice(JUNK)}"
            case 1:
                lines[place] = f"{line[: len(line) - len(line.lstrip())]}{choose.choice(JUNK)}: {choose.choice(JUNK)}"
            case 2:
                lines[place] = " " * choose.choice([1, 2, 3]) + line
            case 3:
                lines.insert(place, line)
            case 4:
                del lines[place : place + choose.choice([1, 1, 4, 20])]
                lines.append("")
            case 5:
                at = choose.randint(0, len(line))
                lines[place] = line[:at] + choose.choice(JUNK) + line[at + choose.choice([0, 1, 3]) :]
            case _:
                other = choose.randrange(len(lines))
                lines[place], lines[other] = lines[other], line
    return "\n".join(lines)


def problems(path: Path) -> list[Problem]:
    """Check a configuration as the program does before it starts anything."""
    try:
        draw(load(path, Everything()), Plugins.installed())
    except SettingsError as error:
        return list(error.problems) or [Problem(Place(path, 1), (), "")]
    return []


@pytest.mark.parametrize("name", FILES)
def test_a_mangled_configuration_is_refused_in_words(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Whatever the file has become, it is drawn or refused: each problem has its file, its line and its reason, and no
    reason repeats a secret (X16)."""
    choose, text = random.Random(None if LONG else f"{name} 20261125"), (CONFIG / name).read_text(encoding="utf-8")
    path, outcomes = tmp_path / name, Counter[str]()
    shutil.copy(CONFIG / name, path)
    assert problems(path) == []
    for _ in range(CASES):
        path.write_text(mangled(choose, text), encoding="utf-8")
        begun = time.monotonic()
        found = problems(path)
        outcomes["refused" if found else "drawn"] += 1
        for one in found:
            assert (one.place.line >= 1, bool(one.reason)) == (True, True), path.read_text(encoding="utf-8")
            assert SECRET not in f"{one.where}{one.reason}"
        assert time.monotonic() - begun < SOON
    record_property("told", f"fuzzed configurations of {name}: {CASES} cases, {dict(sorted(outcomes.items()))}")
    assert outcomes["refused"] > CASES / 4
