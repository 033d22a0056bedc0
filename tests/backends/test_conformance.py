"""The suite itself: every rule can fail, and each fails on a backend that breaks it."""

from __future__ import annotations

import pytest

from backends.conformance.cases import RULES
from backends.conformance.trial import trial
from backends.contract import BackendError
from tests.backends import broken_reads, broken_writes
from tests.backends.sabotage import Sabotage, collect

SABOTAGES = collect(broken_reads, broken_writes)
BY_NAME = {rule.name: rule for rule in RULES}
BROKEN = [(sabotage, name) for sabotage in SABOTAGES for name in sabotage.rules]


@pytest.mark.parametrize(("sabotage", "name"), BROKEN, ids=[f"{s.name}-{name}" for s, name in BROKEN])
async def test_a_broken_backend_is_found_out(sabotage: Sabotage, name: str) -> None:
    """A rule fails on a backend that breaks it: a suite that cannot fail proves nothing."""
    with pytest.raises((AssertionError, BackendError)):
        async with trial(sabotage.harness, None) as on_trial:
            await BY_NAME[name].run(on_trial)


def test_every_rule_has_a_backend_that_breaks_it() -> None:
    """No rule is there that was never seen to fail."""
    assert BY_NAME.keys() - {name for _, name in BROKEN} == set()


def test_every_rule_says_what_it_asks() -> None:
    """Each rule has a sentence, and needs that say what is missing."""
    for rule in RULES:
        assert rule.sentence.endswith(".")
        assert all(need.reason for need in rule.needs)
