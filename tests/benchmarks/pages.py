"""What the pages of a large table cost, the first and the last: ``python tests/benchmarks/pages.py [--json]``.

Through the gateway's own program, on PostgreSQL, with the id map in another database and Valkey in front of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the tests' services are

from contest import ROUNDS, Progress, Result, Task, measured
from floor import GATEWAY, place

ROWS = 1_000_000
LAST = 200
"""People the table has before the million: the cursor behind the first hundred of them is met again at its end."""
SEEN = """
INSERT INTO hr.employee (emp_no, login, last_name, full_name, mail, created_by)
SELECT 2000000 + n, 'LATE' || n, 'Late' || n, 'Late ' || n, 'late' || n || '@example.com', 'HR'
FROM generate_series(1, {last}) n;
DELETE FROM hr.team_member; UPDATE hr.employee SET status = 'D' WHERE emp_no < 2000000;
"""
CROWD = """
INSERT INTO hr.employee (emp_no, login, last_name, full_name, mail, created_by)
SELECT 20000 + n, 'USER' || n, 'Last' || n, 'Last ' || n, 'user' || n || '@example.com', 'HR'
FROM generate_series(1, {rows}) n;
ANALYZE hr.employee;
"""


def ends(*, rows: int = ROWS, calls: int = 40, rounds: int = ROUNDS) -> list[Result]:
    """Measure pages at both ends of a large table.

    To follow cursors through a million rows would take longer than the rest of the benchmark. So the last pages are
    listed first, while the table holds nothing else, and the million is put before them: the cursor stays good.
    """
    progress = Progress(3 + 3 * rounds)
    progress.tell("filling a database")
    with place(0) as there:
        there.run(SEEN.format(last=LAST))
        with there.gateway() as gateway:
            first = "/Users?count=100&cursor="
            page = json.loads(gateway.ask(there.request("GET", first))[2])
            assert page["totalResults"] == LAST
            deep = page["nextCursor"]
            progress.tell(f"making {rows:,} rows")
            there.run(CROWD.format(rows=rows))
            page = json.loads(gateway.ask(there.request("GET", first))[2])
            assert page["totalResults"] == LAST + rows
            second = page["nextCursor"]
            last = json.loads(gateway.ask(there.request("GET", first + deep))[2])["Resources"]
            assert [one["userName"] for one in last] == [f"LATE{n}" for n in range(101, 201)]

            def pages(path: str, few: int = 1) -> Task:
                names = {first: "first page, with its count", first + second: "second page", first + deep: "last page"}
                raw = there.request("GET", path)
                return Task(names[path], lambda _: [raw] * max(2, calls // few), warm=lambda _: [raw] * 2)

            found = measured(
                [gateway],
                [pages(first, 4), pages(first + second), pages(first + deep)],
                rounds=rounds,
                connections=1,
                progress=progress,
            )
    progress.end()
    return found


def table(found: list[Result]) -> str:
    second = found[1]
    lines = [f"{'':28} {'ms':>7} {'µs cpu':>7} {'of the second':>14}"]
    for one in found:
        taken = 1e3 / one.rate(GATEWAY)
        lines.append(
            f"{one.task:28} {taken:7.1f} {one.cost(GATEWAY):7.0f} {second.rate(GATEWAY) / one.rate(GATEWAY):14.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    found = ends(rounds=options.rounds)
    told = f"pages of 100 by cursor, a table of {ROWS:,} rows"
    print(json.dumps([one.document() for one in found]) if options.json else f"{told}\n{table(found)}")


if __name__ == "__main__":
    main()
