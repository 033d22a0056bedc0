"""What the SQL backend can do, on which database it is tried by which test, and which worked file shows it.

`backends/sql/README.md` has it as a table, which `make generate` writes; `test_features.py` looks for the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.backends.sql.databases import KINDS

LIVE, REFUSED = "live", "refused by check"
SHAPES = "other_dialects::test_every_shape_compiles"
READS = "other_dialects::test_reads_compile"
WRITES = "other_dialects::test_writes_compile"
ERRORS = "other_dialects::test_native_errors_are_read"
DRIVERS = "operations::test_what_only_the_url_can_say_is_refused_elsewhere"
NOTHING = "operations::test_a_setting_that_would_do_nothing_is_refused_by_check"


@dataclass(frozen=True, slots=True)
class Cell:
    """A test, `file::name` below this folder or tests/worked_sql, and whether it sees the feature refused."""

    test: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """One row: a feature, the worked files that show it, and its test on each kind of database."""

    name: str
    files: tuple[str, ...]
    cells: Mapping[str, Cell]
    compiled: str


def feature(
    name: str,
    files: str,
    every: str = "",
    *,
    compiled: str = SHAPES,
    refused: str = "",
    refuses: str = NOTHING,
    **own: str,
) -> Feature:
    """Make a row: `every` is the test on all databases, `own` those of single ones; `refused` names databases whose
    check refuses the feature, as the test `refuses` sees."""
    cells = {kind: Cell(own.get(kind, every)) for kind in KINDS}
    cells |= {kind: Cell(refuses, refused=True) for kind in refused.split()}
    return Feature(name, tuple(files.split()), cells, compiled)


FEATURES = (
    feature(
        "names with schema, quotes, blanks",
        "sql-hr sql-staff", "shapes::test_names_may_hold_blanks_points_and_capitals",
    ),
    feature("views to read, tables to write", "sql-staff", "shapes::test_a_view_is_read_and_its_table_written"),
    feature(
        "keys of several columns", "sql-hr", "operations::test_bytes_fixed_widths_codes_and_several_key_columns",
        compiled="other_dialects::test_keys_of_several_columns_compile",
    ),
    feature(
        "keys numbered by the database",
        "demo sql-eav", "shapes::test_attributes_in_rows_are_fields", compiled=WRITES,
    ),
    feature(
        "keys from a sequence", "sql-staff", "shapes::test_keys_come_from_where_the_settings_say", refused="sqlite",
        refuses="operations::test_a_sequence_where_there_are_none_is_refused_by_check",
    ),
    feature("keys from a statement", "sql-hr", "shapes::test_keys_come_from_where_the_settings_say"),
    feature(
        "users and groups in one table", "sql-one-table", "shapes::test_users_and_groups_in_one_table_are_told_apart"
    ),
    feature(
        "child tables", "demo sql-hr", "conformance::test_rows_set_are_compared_by_their_keys", compiled=WRITES
    ),
    feature("key/value tables", "sql-eav", "shapes::test_attributes_in_rows_are_fields"),
    feature(
        "binary and fixed-width columns", "sql-staff sql-hr",
        "operations::test_bytes_fixed_widths_codes_and_several_key_columns", compiled=READS,
    ),
    feature(
        "14 digits, seconds since 1970", "sql-one-table sql-portal",
        "every_database::test_active_is_told_by_what_is_there", compiled=WRITES,
    ),
    feature(
        "local time without a zone",
        "sql-portal", "operations::test_times_without_a_zone_are_local", compiled=READS,
    ),
    feature(
        "memberships in a table", "demo sql-eav", "conformance::test_members_are_added_and_removed_without_the_others",
        compiled=WRITES,
    ),
    feature("memberships in a column", "sql-staff", "shapes::test_a_membership_may_be_a_column_of_the_member"),
    feature("lists packed into a column", "sql-portal", "shapes::test_values_packed_into_a_column_are_many"),
    feature("nested groups", "sql-one-table", "shapes::test_groups_nest_by_a_list_of_their_own"),
    feature(
        "look-up tables, both ways", "demo sql-staff",
        "operations::test_bytes_fixed_widths_codes_and_several_key_columns", compiled=WRITES,
    ),
    feature(
        "required columns nobody gives", "demo sql-eav", "conformance::test_create_answers_with_what_is_stored",
        compiled=WRITES,
    ),
    feature(
        "stored procedures; on SQLite statements", "sql-hr", "procedures::test_procedures_take_the_place_of_statements",
        sqlite="procedures::test_a_create_statement_for_keys_that_are_given",
    ),
    feature("statements of one's own", "sql-hr", "procedures::test_statements_add_and_remove_single_values"),
    feature(
        "rows marked as deleted", "demo sql-hr", "every_database::test_without_a_unique_index_one_of_many_is_made",
        compiled=READS,
    ),
    feature(
        "rows that stay invisible", "sql-one-table demo", "conformance::test_what_the_settings_exclude_is_invisible"
    ),
    feature(
        "a version column", "sql-hr sql-portal", "shapes::test_a_version_column_refuses_what_was_seen_too_late"
    ),
    feature("old values compared", "sql-staff", "shapes::test_without_a_version_column_old_values_are_compared"),
    feature(
        "several statements, one transaction", "sql-hr", "errors::test_a_refused_part_undoes_the_whole_change",
        compiled=WRITES,
    ),
    feature(
        "a copy for searches", "sql-staff", "operations::test_searches_go_to_a_copy_unless_something_was_just_written",
        compiled=READS,
    ),
    feature(
        "unique without an index", "sql-portal", "every_database::test_without_a_unique_index_one_of_many_is_made",
        compiled=READS,
    ),
    feature(
        "collations that match too much", "sql-eav", "filters_differential::test_the_database_finds_what_memory_finds",
        compiled=READS,
    ),
    feature("satellite rows", "sql-eav", "shapes::test_satellite_rows_come_and_go_with_the_account"),
    feature("dependents, in order", "sql-eav sql-staff", "shapes::test_dependent_rows_go_in_the_order_given"),
    feature("columns computed from others", "sql-portal sql-staff", "shapes::test_columns_are_computed_from_others"),
    feature(
        "names the application changes", "sql-hr", "procedures::test_statements_add_and_remove_single_values"
    ),
    feature(
        "groups that are values of a column, or a list",
        "sql-staff", "shapes::test_groups_may_be_the_values_of_a_column",
    ),
    feature(
        "several codes for active", "sql-hr", "every_database::test_without_a_unique_index_one_of_many_is_made",
        compiled=READS,
    ),
    feature(
        "active by a row or a group", "sql-staff sql-portal", "every_database::test_active_is_told_by_what_is_there",
        compiled=WRITES,
    ),
    feature("a group everybody begins in", "sql-portal", "shapes::test_new_accounts_begin_in_a_group"),
    feature("maps in a column", "sql-one-table sql-portal", "packed::test_entries_of_serialized_maps_are_fields"),
    feature(
        "arrays; JSON lists where there are none", "sql-staff",
        postgres="packed::test_arrays_of_postgresql_are_fields_of_many",
        sqlite="packed::test_entries_of_serialized_maps_are_fields",
        mariadb="packed::test_entries_of_serialized_maps_are_fields",
    ),
    feature(
        "password columns", "sql-portal", "every_database::test_without_a_unique_index_one_of_many_is_made",
        compiled=WRITES,
    ),
    feature(
        "wrong names told at start",
        "", "errors::test_a_name_that_is_not_there_is_told_with_the_nearest", compiled=READS,
    ),
    feature("the live schema told", "", "operations::test_the_live_schema_is_told", compiled=READS),
    feature(
        "statements shown, not sent", "", "operations::test_statements_are_shown_without_being_sent", compiled=SHAPES
    ),
    feature(
        "all operators and combinations", "demo", "filters_differential::test_the_database_finds_what_memory_finds",
        compiled=READS,
    ),
    feature(
        "filters on rows and memberships", "demo sql-hr", "conformance::test_groups_are_found_by_their_members",
        compiled=READS,
    ),
    feature("sorting", "demo", "conformance::test_declared_sorts_order_by_the_value", compiled=READS),
    feature("pages by key", "demo", "operations::test_deep_pages_cost_as_much_as_the_first", compiled=READS),
    feature("native errors, with the field", "", "errors::test_a_refused_value_names_its_field", compiled=ERRORS),
    feature(
        "deadlocks, locked files", "", "errors::test_a_deadlock_is_unavailable_and_nothing_is_done",
        sqlite="local::test_a_file_somebody_else_writes_to_is_unavailable_until_it_is_free", compiled=ERRORS,
    ),
    feature(
        "lost connections", "", "errors::test_a_broken_connection_is_unavailable",
        sqlite="conformance::test_a_system_that_is_not_there_is_unavailable", compiled=ERRORS,
    ),
    feature("full pools", "", "errors::test_a_pool_without_a_free_connection_is_unavailable", compiled=ERRORS),
    feature(
        "passwords that change", "", "operations::test_a_password_is_read_for_every_connection", refused="sqlite",
        compiled=ERRORS,
    ),
    feature(
        "time limits of statements", "", "errors::test_a_statement_over_its_time_is_unavailable", refused="sqlite",
        compiled=DRIVERS,
    ),
    feature(
        "connections with a name", "", postgres="operations::test_postgres_knows_the_backend_by_name",
        refused="sqlite mariadb", compiled=DRIVERS,
    ),
    feature(
        "poolers in transaction mode", "", postgres="operations::test_postgres_knows_the_backend_by_name",
        refused="sqlite mariadb", compiled=DRIVERS,
    ),
    feature(
        "TLS, private CA, client certificate", "", "encryption::test_connections_are_encrypted_and_both_sides_known",
        refused="sqlite", compiled=DRIVERS,
    ),
)  # fmt: skip


def place(test: str) -> tuple[str, str]:
    """Give the file of a test, from the root, and its name."""
    file, _, name = test.partition("::")
    folder = "tests/worked_sql" if file == "every_database" else "tests/backends/sql"
    return f"{folder}/test_{file}.py", name


def feature_table() -> str:
    """Write the table: a cell leads to the file of its test, whose name it shows when pointed at."""

    def link(text: str, test: str) -> str:
        path, name = place(test)
        return f'[{text}](../../{path} "{name}")'

    lines = [
        "| feature | shown in | SQLite | PostgreSQL | MariaDB | Oracle, SQL Server, Db2 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in FEATURES:
        files = ", ".join(f"[{name}](../../config/{name}.yaml)" for name in row.files) or "–"
        cells = [link(REFUSED if cell.refused else LIVE, cell.test) for cell in (row.cells[kind] for kind in KINDS)]
        compiled = f"{REFUSED}; Oracle: never run" if row.compiled == DRIVERS else "compiled, never run"
        lines.append(f"| {row.name} | {files} | {' | '.join(cells)} | {link(compiled, row.compiled)} |")
    return "\n".join(lines)
