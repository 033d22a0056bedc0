"""The demo's own extension: a last day for which the old table has a magic date."""

from __future__ import annotations

from typing import Any

EMPLOYMENT = "urn:example:params:scim:schemas:extension:hr:2.0:Employment"
USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "leaver"}


async def test_no_end_is_a_magic_date_in_the_table_and_no_value_outside(demo: Any) -> None:
    """9999-12-31 is never shown; a last day is written as a day, and taken away again as that one (R-L14, S4)."""
    created = (await demo.post("/Users", USER)).body
    assert EMPLOYMENT not in created
    assert demo.native("SELECT END_DATE FROM EMPLOYEE") == [("9999-12-31",)]
    path = f"{EMPLOYMENT}:endsOn"
    answer = await demo.patch(f"/Users/{created['id']}", [{"op": "add", "path": path, "value": "2026-12-31"}])
    assert answer.body[EMPLOYMENT] == {"endsOn": "2026-12-31"}
    assert EMPLOYMENT in answer.body["schemas"]
    assert demo.native("SELECT END_DATE FROM EMPLOYEE") == [("2026-12-31",)]
    found = await demo.get(f'/Users?filter={path} eq "2026-12-31"')
    assert found.body["totalResults"] == 1
    answer = await demo.patch(f"/Users/{created['id']}", [{"op": "remove", "path": path}])
    assert EMPLOYMENT not in answer.body
    assert demo.native("SELECT END_DATE FROM EMPLOYEE") == [("9999-12-31",)]


async def test_those_who_left_show_when(serve: Any) -> None:
    """An employee of the old table who left has a last day, and nobody else has (R-L14)."""
    demo = await serve()
    gone = demo.native("SELECT COUNT(*) FROM EMPLOYEE WHERE KIND = 'P' AND STATUS <> 'D' AND END_DATE <> '9999-12-31'")
    found = await demo.get(f"/Users?count=1&filter={EMPLOYMENT}:endsOn pr")
    assert found.body["totalResults"] == gone[0][0] > 0
