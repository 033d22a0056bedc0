"""Rules, runbooks and dashboards agree with the metrics the code has (M5)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.telemetry.catalogue import METRICS
from tests.architecture.modules import ROOT

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
NAME = re.compile(r"\bscim_gateway_\w+")
SUFFIXES = ("_bucket", "_sum", "_count")


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def alerts() -> list[dict[str, Any]]:
    return [rule for group in read(RULES)["groups"] for rule in group["rules"] if "alert" in rule]


def series() -> dict[str, set[str]]:
    """Name every series the code can show, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        names = [metric.full_name]
        if metric.kind == "histogram":
            names = [f"{metric.full_name}{suffix}" for suffix in SUFFIXES]
        for name in names:
            found[name] = {*metric.labels, "le"} if name.endswith("_bucket") else set(metric.labels)
    return found


def expressions() -> list[tuple[str, str]]:
    """Collect every expression of rules and dashboards, with where it stands."""
    found = [
        (rule.get("alert") or rule["record"], str(rule["expr"]))
        for group in read(RULES)["groups"]
        for rule in group["rules"]
    ]
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        found += [
            (f"{path.stem}: {panel['title']}", target["expr"])
            for panel in board["panels"]
            for target in panel["targets"]
        ]
        found += [
            (f"{path.stem}: {one['name']}", one["definition"])
            for one in board["templating"]["list"]
            if "definition" in one
        ]
    return found


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=lambda text: text[:60])
def test_every_metric_asked_for_exists(where: str, expression: str) -> None:
    """No rule and no panel asks for a metric or a label the code does not have (M5)."""
    known = series()
    for name in NAME.findall(expression):
        assert name in known, f"{where}: {name}"
    for name, labels in re.findall(r"\b(scim_gateway_\w+)\{([^}]*)\}", expression):
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', labels)))
        assert asked <= known[name], f"{where}: {name}"


def test_every_metric_is_shown() -> None:
    """What is measured has a panel: nobody must know the names of metrics to see them (M5)."""
    asked = {name for where, expression in expressions() for name in NAME.findall(expression) if ": " in where}
    shown = {name.removesuffix(suffix) for name in asked for suffix in ("", *SUFFIXES)}
    assert {one.full_name for one in METRICS} - shown == set()


def test_every_recorded_series_asked_for_is_recorded() -> None:
    """Alerts build only on series a rule records."""
    recorded = {rule["record"] for group in read(RULES)["groups"] for rule in group["rules"] if "record" in rule}
    asked = {name for _, expression in expressions() for name in re.findall(r"scim_gateway:\w+:\w+", expression)}
    assert asked <= recorded


def test_every_alert_has_a_runbook_a_severity_and_a_test() -> None:
    """An alert leads to a page that says what to do, names who is woken, and was seen to fire (M5)."""
    tested = {
        check["alertname"]
        for case in read(DEPLOY / "prometheus" / "rules_test.yaml")["tests"]
        for check in case["alert_rule_test"]
        if check["exp_alerts"]
    }
    for rule in alerts():
        book = ROOT / rule["annotations"]["runbook_url"]
        assert book.exists(), rule["alert"]
        assert rule["alert"] in book.read_text(encoding="utf-8"), rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
    assert {rule["alert"] for rule in alerts()} == tested


def test_every_runbook_belongs_to_an_alert() -> None:
    """No page describes an alert that does not exist."""
    named = {rule["alert"] for rule in alerts()}
    for book in (DEPLOY / "runbooks").glob("*.md"):
        assert set(re.findall(r"ScimGateway\w+", book.read_text(encoding="utf-8"))) <= named, book.name


def test_dashboards_are_current() -> None:
    """The committed JSON is what the generator writes."""
    script = DEPLOY / "grafana" / "generate_dashboards.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("arguments", [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"],
                                       ["check", "config", "prometheus.yaml"]], ids=" ".join)  # fmt: skip
def test_promtool_agrees(arguments: list[str]) -> None:
    """Prometheus' own tool takes the rules and the configuration, and every rule test passes."""
    done = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
