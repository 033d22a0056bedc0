"""Reading all records page by page."""

from __future__ import annotations

from backends.conformance.rules import FILLED, ORDERED, STEADY, declares, rule, writes
from backends.conformance.trial import ROLES, Trial, alike
from backends.contract import KEY, Capabilities, Compare, Match, Op, Page, Sort, UnsupportedError

OFFSET = declares("offsets are not offered", lambda it: it.offset)
NO_OFFSET = declares("offsets are offered", lambda it: not it.offset)
TOTAL = declares("matches are not counted", lambda it: it.total)
NO_TOTAL = declares("matches are counted", lambda it: not it.total)


def exact(capabilities: Capabilities) -> bool:
    """Whether there is a filter whose matches can be counted."""
    return any(Match.EXACT in operators.values() for operators in capabilities.filters.values())


CHANGES = writes("create", "delete")


@rule()
async def an_empty_entity_has_one_empty_page(t: Trial) -> None:
    """Nothing to find is no error."""
    page = await t.search()
    assert (list(page.records), page.cursor) == ([], None)


@rule(FILLED)
async def pages_of_any_size_give_each_record_once(t: Trial) -> None:
    """Following the cursors visits every record exactly once, in the same order for every page size."""
    keys = {await t.make() for _ in range(11)}
    orders = []
    for limit in (1, 2, 3, 7, 10, 11, 12, 500):
        found = [record.key for record in await t.walk(limit=limit)]
        assert sorted(found) == sorted(keys), f"pages of {limit} do not give each record once"
        orders.append(found)
    assert all(order == orders[0] for order in orders), "the order depends on the page size"


@rule(FILLED, ORDERED)
async def the_default_order_is_that_of_the_keys(t: Trial) -> None:
    """Without a sort the keys ascend; the key can be sorted by in both directions, whatever else can."""
    keys = sorted([await t.make() for _ in range(12)], key=t.harness.order)
    for limit in (5, 100):
        assert [record.key for record in await t.walk(limit=limit)] == keys
        down = [record.key for record in await t.walk(limit=limit, sort=Sort(descending=True))]
        assert down == keys[::-1]


@rule(FILLED)
async def search_shows_what_get_shows(t: Trial) -> None:
    """A page carries exactly the fields asked for, with the values and the version that get has."""
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    full, bare = await t.make(*roles), await t.make()
    found = {record.key: record for record in await t.walk(fields=t.fields)}
    assert found.keys() == {full, bare}
    for key, record in found.items():
        single = await t.backend.get(t.entity, key, t.fields)
        assert alike(record.fields, single.fields)
        assert record.version == single.version
    for wanted in (frozenset[str](), frozenset({t.roles.name})):
        page = await t.search(fields=wanted)
        assert [record.fields.keys() for record in page.records] == [wanted, wanted]


@rule(FILLED, CHANGES, STEADY)
async def records_deleted_meanwhile_shift_nothing(t: Trial) -> None:
    """While records already seen are deleted between pages, the last one seen among them, each other is seen once."""
    keys = [await t.make() for _ in range(12)]

    async def between(page: Page) -> None:
        await t.writable.delete(t.entity, page.records[-1].key)

    found = [record.key for record in await t.walk(limit=3, between=between)]
    assert sorted(found) == sorted(keys)


@rule(FILLED, CHANGES, STEADY)
async def records_inserted_meanwhile_shift_nothing(t: Trial) -> None:
    """While records come and go between pages, each that is there throughout is seen exactly once."""
    keys = [await t.make() for _ in range(10)]
    news: list[str] = []

    async def between(page: Page) -> None:
        if len(news) < 8:
            news.extend([await t.make(), await t.make()])
            await t.writable.delete(t.entity, news[-1])

    found = [record.key for record in await t.walk(limit=2, between=between)]
    assert len(found) == len(set(found)), "a record is seen twice"
    assert set(keys) <= set(found), "a record that was there throughout is not seen"


@rule(FILLED, OFFSET)
async def offsets_cut_windows_out_of_the_same_order(t: Trial) -> None:
    """An offset skips so many records; beyond the end there is nothing; a cursor goes on behind the window."""
    for _ in range(7):
        await t.make()
    order = [record.key for record in await t.walk()]
    for offset in (0, 1, 3, 6, 7, 8, 100):
        page = await t.search(offset=offset, limit=3)
        assert len(page.records) <= 3
        seen = [record.key for record in page.records]
        while page.cursor is not None and len(seen) < 3:
            page = await t.search(cursor=page.cursor, limit=3 - len(seen))
            seen += [record.key for record in page.records]
        assert seen == order[offset : offset + 3]
    page = await t.search(offset=2, limit=2)
    assert page.cursor is not None
    assert [record.key for record in (await t.search(cursor=page.cursor, limit=2)).records] == order[4:6]


@rule(NO_OFFSET)
async def an_offset_not_offered_is_refused(t: Trial) -> None:
    """An offset the backend did not declare is refused, never ignored."""
    with t.refused(UnsupportedError):
        await t.search(offset=1)


@rule(FILLED, TOTAL)
async def the_total_counts_all_matches(t: Trial) -> None:
    """The total is that of the whole search, whatever the page shows."""
    for _ in range(5):
        await t.make()
    for limit in (1, 3, 5, 100):
        assert (await t.search(limit=limit, total=True)).total == 5
    first = await t.search(limit=2, total=True)
    assert first.cursor is not None
    assert (await t.search(limit=2, cursor=first.cursor, total=True)).total == 5


@rule(FILLED, TOTAL, declares("no filter is exact", exact))
async def the_total_of_a_filter_counts_what_passes(t: Trial) -> None:
    """With a filter the total counts its matches only."""
    for _ in range(4):
        await t.make()
    name = await t.value(await t.make(), "name")
    for field, operators in t.capabilities.filters.items():
        if field == t.roles.name and operators.get((Op.EQ, False)) is Match.EXACT:
            page = await t.search(where=Compare(field, Op.EQ, name), total=True)
            assert (page.total, len(page.records)) == (1, 1)
        if field == KEY and operators.get((Op.IN, False)) is Match.EXACT:
            keys = tuple(record.key for record in await t.walk())[:3]
            assert (await t.search(where=Compare(KEY, Op.IN, keys), limit=1, total=True)).total == 3


@rule(NO_TOTAL)
async def a_total_not_offered_is_refused(t: Trial) -> None:
    """A total the backend did not declare is refused: None would be taken for an oversight."""
    with t.refused(UnsupportedError):
        await t.search(total=True)


@rule(FILLED)
async def a_page_of_one_is_one_record(t: Trial) -> None:
    """A limit of one gives one record and a cursor while there are more."""
    for _ in range(3):
        await t.make()
    page = await t.search(limit=1)
    assert len(page.records) <= 1
    assert page.cursor is not None


@rule(FILLED)
async def two_walks_at_once_do_not_disturb_each_other(t: Trial) -> None:
    """A cursor says all there is to say: walks in turn see the same records in the same order."""
    for _ in range(6):
        await t.make()
    order = [record.key for record in await t.walk()]
    seen: tuple[list[str], list[str]] = ([], [])
    cursors: list[str | None] = [None, None]
    for _ in range(3):
        for walk in (0, 1):
            page = await t.search(limit=2, cursor=cursors[walk])
            seen[walk].extend(record.key for record in page.records)
            cursors[walk] = page.cursor
    assert seen[0] == seen[1] == order[: len(seen[0])]
