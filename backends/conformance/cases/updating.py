"""Changing single values."""

from __future__ import annotations

from backends.conformance.rules import FILLED, Need, role, rule, writes
from backends.conformance.trial import ROLES, Trial, alike
from backends.contract import Change, NotFoundError

UPDATE = writes("update")
SINGLE = ROLES[1:6]
RENAME = Need("keys do not come from a field", lambda facts: facts.harness.roles.key is not None)


@rule(FILLED, UPDATE)
async def what_is_not_named_stays_as_it_is(t: Trial) -> None:
    """Setting one field leaves every other field of the record, and every other record, alone."""
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    key, other = await t.make(*roles), await t.make(*roles)
    for role_ in roles:
        before = await t.snapshot()
        number = t.number()
        if role_ == "flag":
            number += int(t.sample("flag", number) == before[key][t.named("flag")])
        outcome = await t.update(key, {t.named(role_): t.sample(role_, number)})
        after = await t.snapshot()
        assert outcome.changed
        assert alike(after[other], before[other]), "another record changed"
        rest = {name for name in t.fields if name != t.named(role_)}
        assert alike({n: after[key][n] for n in rest}, {n: before[key][n] for n in rest}), "another field changed"
        assert after[key][t.named(role_)] != before[key][t.named(role_)]


@rule(FILLED, UPDATE)
async def several_fields_are_set_at_once(t: Trial) -> None:
    """One change may set all there is."""
    roles = [name for name in SINGLE if t.roles.field(name) is not None]
    key = await t.make()
    number = t.number()
    wanted = {t.named(role_): t.sample(role_, number) for role_ in ("name", *roles)}
    outcome = await t.update(key, wanted)
    assert outcome.changed
    fields = await t.get(_key_of(key, outcome.record))
    assert {name: fields[name] for name in wanted} == wanted


@rule(FILLED, UPDATE)
async def none_and_nothing_empty_a_field(t: Trial) -> None:
    """Setting None empties a value, setting an empty tuple empties many; both can be filled again."""
    for role_ in ROLES[1:]:
        name = t.roles.field(role_)
        if name is None or name in t.roles.extra:
            continue
        key = await t.make(role_)
        empty = () if role_ in ("many", "rows") else None
        assert (await t.update(key, {name: empty})).changed
        assert await t.value(key, role_) == empty
        assert not (await t.update(key, {name: empty})).changed, f"{name}: emptied twice"
        assert (await t.update(key, {name: t.sample(role_, t.number())})).changed
        assert await t.value(key, role_) != empty


@rule(FILLED, UPDATE)
async def setting_what_is_there_changes_nothing(t: Trial) -> None:
    """A change that says what already is says `changed: false` and leaves the version."""
    roles = [name for name in ROLES if t.roles.field(name) is not None]
    key = await t.make(*roles[1:])
    record = await t.backend.get(t.entity, key, t.fields)
    for role_ in roles:
        name = t.named(role_)
        assert not (await t.update(key, {name: record.fields[name]})).changed, f"{name}: the same value is no change"
    again = await t.backend.get(t.entity, key, t.fields)
    assert alike(again.fields, record.fields)
    assert again.version == record.version


@rule(FILLED, UPDATE)
async def an_empty_change_changes_nothing(t: Trial) -> None:
    """A change of nothing is no error on a record that is there."""
    key = await t.make()
    before = await t.snapshot()
    assert not (await t.update(key)).changed
    assert await t.snapshot() == before


@rule(FILLED, UPDATE)
async def a_record_that_is_not_there_cannot_be_changed(t: Trial) -> None:
    """An update of an unknown key is `NotFoundError` and creates nothing."""
    await t.make()
    before = await t.snapshot()
    for key in ("987654321", "%", ""):
        with t.refused(NotFoundError):
            await t.update(key, t.other())
    assert await t.snapshot() == before


@rule(FILLED, UPDATE, role("text"))
async def an_outcome_with_a_record_shows_it_as_it_is(t: Trial) -> None:
    """If an update answers with the record, that is what get shows."""
    key = await t.make()
    record = (await t.update(key, {t.named("text"): "other"})).record
    stored = await t.backend.get(t.entity, key, frozenset(record.fields) if record else frozenset())
    assert stored.key == key
    if record is not None:
        assert alike(record.fields, stored.fields)
        assert record.version in (None, stored.version)


@rule(FILLED, UPDATE, RENAME)
async def another_key_is_told(t: Trial) -> None:
    """An update that changes the key answers with the record under its new one; the old one leads nowhere."""
    roles = [name for name in SINGLE if t.roles.field(name) is not None]
    key = await t.make(*roles)
    before = await t.get(key)
    field = t.roles.key or ""
    wanted = {field: t.sample("name", t.number())}
    foretold = t.writable.renamed(t.entity, key, Change(set=wanted))
    outcome = await t.update(key, wanted)
    assert outcome.changed
    assert outcome.record is not None, "the new key is not told"
    assert outcome.record.key != key
    assert foretold in (key, outcome.record.key), "another key was foretold"
    assert await t.gone(key)
    after = await t.get(outcome.record.key)
    assert alike({**after, field: None}, {**before, field: None}), "more changed than the key"


def _key_of(key: str, record: object) -> str:
    found = getattr(record, "key", key)
    assert isinstance(found, str)
    return found
