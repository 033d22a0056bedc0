"""Reading one record."""

from __future__ import annotations

from backends.conformance.rules import FILLED, optional, role, rule, writes
from backends.conformance.trial import ROLES, Trial, alike
from backends.contract import BackendError, Change, Compare, NotFoundError, Op, Query, UnsupportedError

OUTSIDER = optional("outsider", "the settings exclude nothing")

HOSTILE = (
    "",
    "%",
    "_",
    "*",
    "'",
    "' or '1'='1",
    "..",
    "../x",
    "a/b",
    "?",
    "#",
    "\\",
    "\x00",
    "null",
    "\u00e9" * 300,
    "-1",
)


@rule(FILLED)
async def get_returns_exactly_the_fields_asked_for(t: Trial) -> None:
    """Every requested field is there and no other, for any choice of them, none included."""
    key = await t.make()
    names = sorted(t.fields)
    for wanted in (frozenset(), *(frozenset({name}) for name in names), frozenset(names)):
        record = await t.backend.get(t.entity, key, wanted)
        assert record.key == key
        assert record.fields.keys() == wanted, "other fields than asked for"


@rule(FILLED)
async def empty_is_none_or_an_empty_tuple(t: Trial) -> None:
    """A field without a value is None, one of many values an empty tuple: present, and never another kind of empty."""
    fields = await t.get(await t.make())
    for role_ in ROLES[1:]:
        name = t.roles.field(role_)
        if name is not None and name not in t.roles.extra:
            assert fields[name] == (() if role_ in ("many", "rows") else None), f"{name} is not empty"


@rule(FILLED)
async def a_key_is_text_and_has_one_spelling(t: Trial) -> None:
    """Insert, get and search give the same key; under another spelling there is no record."""
    key = await t.make()
    assert isinstance(key, str)
    assert (await t.backend.get(t.entity, key, frozenset())).key == key
    assert [record.key for record in await t.walk()] == [key]
    others = {f" {key}", f"{key} ", f"0{key}", f"+{key}", f"{key}.0", f"{key}\n", key.upper(), key.lower()} - {key}
    for other in others:
        assert await t.gone(other), f"the record answers under {other!r} too"


@rule(FILLED)
async def unknown_keys_are_not_found(t: Trial) -> None:
    """No key one could think of, wildcards and injections among them, finds a record it is not the key of."""
    key = await t.make()
    for hostile in HOSTILE:
        with t.refused(NotFoundError):
            await t.backend.get(t.entity, hostile, t.fields)
    assert not await t.gone(key)


@rule()
async def an_unknown_entity_is_not_a_record_not_found(t: Trial) -> None:
    """An entity the backend does not have is `UnsupportedError`: "not found" would bury accounts that are there."""
    with t.refused(UnsupportedError):
        await t.backend.get("no_such_entity", "1", frozenset())
    with t.refused(UnsupportedError):
        await t.backend.search("no_such_entity", Query(frozenset()))


@rule(FILLED)
async def a_field_that_does_not_exist_is_refused(t: Trial) -> None:
    """Asking for an unknown field is an error of the backend's own, never an empty value."""
    key = await t.make()
    with t.refused(BackendError):
        await t.backend.get(t.entity, key, frozenset({"no_such_field"}))


@rule(FILLED, writes("update"), role("text"))
async def what_was_read_is_a_copy(t: Trial) -> None:
    """A record read before a change still shows what was read."""
    key = await t.make("text")
    before = await t.backend.get(t.entity, key, t.fields)
    kept = dict(before.fields)
    await t.update(key, {t.named("text"): "other"})
    assert await t.value(key, "text") == "other"
    assert alike(before.fields, kept), "a record that was read changes with the system"


@rule(OUTSIDER)
async def what_the_settings_exclude_is_invisible(t: Trial) -> None:
    """A record outside the entity's set is found by no method, and cannot be changed or deleted."""
    key = await t.harness.outsider(t.backend, t.place)
    with t.refused(NotFoundError):
        await t.backend.get(t.entity, key, t.fields)
    assert key not in {record.key for record in await t.walk()}
    if "update" in t.capabilities.writes:
        with t.refused(NotFoundError):
            await t.update(key, t.other())
    if "delete" in t.capabilities.writes:
        with t.refused(NotFoundError):
            await t.writable.delete(t.entity, key)


@rule(FILLED, role("text"))
async def no_repr_prints_values(t: Trial) -> None:
    """Records, pages, changes and compares print names only: what is logged by mistake tells nothing."""
    veiled, field = "veiled0001", t.named("text")
    key = await t.make(text=veiled)
    record = await t.backend.get(t.entity, key, t.fields)
    assert record.fields[field] == veiled
    shown = [record, await t.search(fields=t.fields), Change(set={field: veiled}), Compare(field, Op.EQ, veiled)]
    assert veiled not in repr([*shown, t.backend])
