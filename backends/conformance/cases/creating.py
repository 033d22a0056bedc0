"""Creating records."""

from __future__ import annotations

from backends.conformance.rules import role, rule, writes
from backends.conformance.trial import ROLES, Trial, alike
from backends.contract import RejectedError
from backends.kit.merging import same

CREATE = writes("create")


@rule(CREATE)
async def create_answers_with_what_is_stored(t: Trial) -> None:
    """The answer has the key and at least what was written, as get shows it afterwards."""
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    fields = t.values(t.number(), *roles)
    record = await t.writable.create(t.entity, fields)
    assert fields.keys() <= record.fields.keys(), "a written field is missing in the answer"
    stored = await t.backend.get(t.entity, record.key, frozenset(record.fields))
    assert alike(record.fields, stored.fields)
    assert record.version == stored.version
    assert stored.key == record.key


@rule(CREATE)
async def created_values_come_back_as_they_were_sent(t: Trial) -> None:
    """Each kind of value is stored as it was given."""
    for role_ in ROLES[1:]:
        if t.roles.field(role_) is not None:
            nth = t.number()
            key = await t.make(role_, nth=nth)
            value, sent = await t.value(key, role_), t.sample(role_, nth)
            if role_ == "rows":
                assert _covered(value, sent), "rows"
            else:
                assert same(value, sent), f"{role_} comes back as another value"


@rule(CREATE, role("text"))
async def difficult_texts_come_back_or_are_rejected(t: Trial) -> None:
    """Quotes, wildcards, control characters and scripts beyond the basic plane are stored unharmed, or refused."""
    for text in (*t.harness.texts(), "m" + "\u00e9", "me\u0301", "m \u4eba", "m\u202e", "m'; drop table x"):
        try:
            key = await t.make(text=text)
        except RejectedError:
            continue
        assert await t.value(key, "text") == text


@rule(CREATE)
async def what_was_not_given_is_empty(t: Trial) -> None:
    """A record made with the least there can be has its other fields empty."""
    record = await t.writable.create(t.entity, t.values(t.number()))
    fields = await t.get(record.key)
    for name in t.fields - {t.roles.name} - t.roles.extra.keys():
        assert fields[name] in (None, ()), f"{name} has a value nobody gave"


@rule(CREATE)
async def each_record_has_a_key_of_its_own(t: Trial) -> None:
    """Keys of several records differ, and each leads to its record."""
    keys = [await t.make() for _ in range(5)]
    assert len(set(keys)) == 5
    names = [await t.value(key, "name") for key in keys]
    assert len(set(names)) == 5


@rule(CREATE)
async def what_was_given_stays_the_callers(t: Trial) -> None:
    """The mapping handed to create is not altered, and altering it later alters nothing stored."""
    fields = t.values(t.number())
    given = dict(fields)
    key = (await t.writable.create(t.entity, fields)).key
    assert fields == given
    name = fields[t.roles.name]
    fields[t.roles.name] = t.sample("name", t.number())
    assert await t.value(key, "name") == name


def _covered(found: object, sent: object) -> bool:
    """Tell whether the rows found are those sent, whatever columns they have besides."""
    assert isinstance(found, tuple)
    assert isinstance(sent, tuple)
    return len(found) == len(sent) and all(
        any(all(row[column] == value for column, value in part.items()) for row in found) for part in sent
    )
