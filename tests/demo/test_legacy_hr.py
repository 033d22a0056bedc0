"""What the demo's legacy database promises to those who map it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli import legacy_hr

VISIBLE = "KIND = 'P' AND STATUS <> 'D'"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("hr") / "hr.db"
    legacy_hr.create(path)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def one(database: sqlite3.Connection, statement: str) -> object:
    return database.execute(statement).fetchone()[0]


def test_a_thousand_employees_and_forty_teams_are_there(database: sqlite3.Connection) -> None:
    """The mapping shows exactly a thousand people; what it must hide comes on top (R-L4)."""
    assert one(database, f"SELECT COUNT(*) FROM EMPLOYEE WHERE {VISIBLE}") == 1000
    assert one(database, "SELECT COUNT(*) FROM EMPLOYEE WHERE STATUS = 'D'") == 12
    assert one(database, "SELECT COUNT(*) FROM EMPLOYEE WHERE KIND = 'S'") == 4
    assert one(database, "SELECT COUNT(*) FROM TEAM") == 40


def test_every_reference_leads_somewhere(database: sqlite3.Connection) -> None:
    """Departments, bosses, mail and memberships keep referential integrity."""
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert one(database, "PRAGMA integrity_check") == "ok"


def test_nobody_is_their_own_boss_at_any_distance(database: sqlite3.Connection) -> None:
    """The chart is a tree: following bosses upwards always ends."""
    bosses = dict(database.execute("SELECT EMP_NO, BOSS_NO FROM EMPLOYEE"))
    for number in bosses:
        steps = 0
        while (number := bosses[number]) is not None:
            steps += 1
            assert steps < 1000


def test_logins_are_upper_case_and_unique_among_the_living(database: sqlite3.Connection) -> None:
    """A login is upper case (R-L11); only the rows marked as deleted may share one."""
    logins = [row[0] for row in database.execute(f"SELECT LOGIN FROM EMPLOYEE WHERE {VISIBLE}")]
    assert len(set(logins)) == len(logins)
    assert all(login == login.upper() and login.isascii() for login in logins)
    dead = {row[0] for row in database.execute("SELECT LOGIN FROM EMPLOYEE WHERE STATUS = 'D'")}
    assert dead <= set(logins)
    with pytest.raises(sqlite3.IntegrityError, match=r"EMPLOYEE\.LOGIN"):
        database.execute("INSERT INTO EMPLOYEE (KIND, LOGIN, CREATED_BY) VALUES ('P', ?, 'T')", (logins[0],))
    database.rollback()


def test_a_mixed_case_login_is_refused_by_the_table(database: sqlite3.Connection) -> None:
    """The old program writes upper case only, and its table insists (R-L11)."""
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        database.execute("INSERT INTO EMPLOYEE (KIND, LOGIN, CREATED_BY) VALUES ('P', 'Babs', 'T')")
    database.rollback()


def test_codes_are_padded_as_char_columns_pad_them(database: sqlite3.Connection) -> None:
    """Department codes and cost centres are filled up with blanks (R-L10)."""
    assert one(database, "SELECT COUNT(*) FROM DEPARTMENT WHERE LENGTH(DEPT_CODE) <> 6") == 0
    assert one(database, "SELECT COUNT(*) FROM EMPLOYEE WHERE DEPT_CODE IS NOT NULL AND LENGTH(DEPT_CODE) <> 6") == 0
    assert one(database, "SELECT COUNT(*) FROM EMPLOYEE WHERE LENGTH(COST_CENTRE) = 40") == 1000
    assert one(database, "SELECT DEPT_NAME FROM DEPARTMENT WHERE DEPT_CODE = 'HR    '") == "Human Resources"


def test_every_status_occurs_and_no_end_is_a_magic_date(database: sqlite3.Connection) -> None:
    """A, I, L, D and the X that nobody can explain (R-L7); who has not left ends on 9999-12-31 (R-L14)."""
    statuses = {row[0] for row in database.execute("SELECT DISTINCT STATUS FROM EMPLOYEE")}
    assert statuses == {"A", "I", "L", "D", "X"}
    assert one(database, "SELECT COUNT(*) FROM EMPLOYEE WHERE STATUS = 'A' AND END_DATE <> '9999-12-31'") == 0
    assert one(database, "SELECT COUNT(*) FROM EMPLOYEE WHERE STATUS = 'I' AND END_DATE = '9999-12-31'") == 0


def test_leading_zeros_of_personnel_numbers_are_kept(database: sqlite3.Connection) -> None:
    """A personnel number is text: its zeros count (R-L18)."""
    assert one(database, "SELECT PERS_NO FROM EMPLOYEE WHERE EMP_NO = 10042") == "00010042"


def test_odd_rows_are_there_on_purpose(database: sqlite3.Connection) -> None:
    """People without e-mail or boss, a team of nobody, a team of hundreds, and ghosts among the members."""
    bare = "MAIL_OFFICE IS NULL AND MAIL_PRIVATE IS NULL AND MAIL_OTHER IS NULL"
    assert one(database, f"SELECT COUNT(*) FROM EMPLOYEE WHERE {VISIBLE} AND {bare}") == 10
    assert one(database, f"SELECT COUNT(*) FROM EMPLOYEE WHERE {VISIBLE} AND BOSS_NO IS NULL") == 5
    sizes = dict(
        database.execute(
            "SELECT TITLE, COUNT(EMP_NO) FROM TEAM LEFT JOIN TEAM_MEMBER USING (TEAM_ID) GROUP BY TITLE"
        ).fetchall()
    )
    assert sizes["Year 2000 Task Force"] == 0
    assert sizes["All Staff"] > 500
    assert sizes["Archive"] == 5 + 12 + 4


def test_names_are_written_as_people_write_them(database: sqlite3.Connection) -> None:
    """Diacritics, apostrophes, hyphens, blanks and other scripts occur in names, and Latin capitals in their logins."""
    families = {row[0] for row in database.execute("SELECT LAST_NAME FROM EMPLOYEE")}
    assert {"O'Malley", "Großmann", "García-Núñez", "van den Berg", "Смирнов", "李"} <= families


def test_two_databases_have_the_same_content(database: sqlite3.Connection, tmp_path: Path) -> None:
    """The content never changes from one creation to the next, but for the moment a row was written."""
    legacy_hr.create(tmp_path / "again.db")
    with closing(sqlite3.connect(tmp_path / "again.db")) as again:
        for table in ("DEPARTMENT", "EMPLOYEE", "TEAM_MEMBER"):
            statement = f"SELECT * FROM {table} ORDER BY 1, 2" + (" LIMIT 1000" if table == "EMPLOYEE" else "")
            assert database.execute(statement).fetchall() == again.execute(statement).fetchall()


def test_it_is_created_in_a_moment_and_tells_its_progress(tmp_path: Path) -> None:
    """Creation takes less than two seconds and says how far it is, ending with all of all."""
    heard: list[tuple[int, int]] = []
    started = time.perf_counter()
    legacy_hr.create(tmp_path / "hr.db", progress=lambda done, total: heard.append((done, total)))
    assert time.perf_counter() - started < 2
    assert heard == sorted(heard)
    assert heard[-1] == (1000, 1000)


def test_an_empty_one_has_departments_only_and_the_same_tables(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Without people and teams the tables and departments stay, and the first number given is five digits long."""
    legacy_hr.create(tmp_path / "empty.db", empty=True)
    with closing(sqlite3.connect(tmp_path / "empty.db")) as empty:
        assert [one(empty, f"SELECT COUNT(*) FROM {table}") for table in ("EMPLOYEE", "TEAM", "TEAM_MEMBER")] == [
            0,
            0,
            0,
        ]
        assert one(empty, "SELECT COUNT(*) FROM DEPARTMENT") == 18
        schema = "SELECT sql FROM sqlite_master ORDER BY name"
        assert empty.execute(schema).fetchall() == database.execute(schema).fetchall()
        row = empty.execute("INSERT INTO EMPLOYEE (KIND, LOGIN, CREATED_BY) VALUES ('P', 'FIRST', 'T')")
        assert row.lastrowid == 10001


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """A file at the path is left as it is, and nothing half-written is left beside it."""
    path = tmp_path / "hr.db"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        legacy_hr.create(path)
    assert path.read_text() == "precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["hr.db"]


def test_a_failure_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    """Whole or not at all: an interruption half-way leaves neither the database nor a fragment of it."""

    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        legacy_hr.create(tmp_path / "hr.db", progress=interrupt)
    assert list(tmp_path.iterdir()) == []
