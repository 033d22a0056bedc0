"""What went wrong elsewhere, and the test that would go red if it went wrong here (REQUIREMENTS §4.1)."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.modules import ROOT

INCIDENTS: dict[str, tuple[str, ...]] = {
    "CVE-2025-41115: a numeric externalId was taken for an internal id": (
        "engine/test_conflicts.py::test_the_numbers_of_an_external_id_mean_nothing",
        "identity/test_laws.py::test_what_is_no_id_is_nobody",
    ),
    "CVE-2026-92539: ids of another organisation could be read and changed": (
        "server/test_isolation.py::test_nothing_of_another_tenant_is_seen_or_changed",
        "engine/test_tenants.py::test_no_series_of_attempts_gets_through",
        "identity/test_laws.py::test_another_tenants_id_cannot_be_changed",
    ),
    "CVE-2026-67330, GHSA-rjg6: names of providers collided, and a token owned foreign accounts": (
        "identity/test_laws.py::test_entities_backends_types_and_tenants_are_apart",
        "server/test_gate.py::test_tokens_of_one_tenant_are_nothing_to_another",
        "engine/test_conflicts.py::test_what_a_client_has_its_own_name_for_is_not_adopted_by_another",
    ),
    "GHSA-j8v8-g9cx-5qf4: a missing owner let everybody through": (
        "server/test_gate.py::test_grant_of_the_decoy_opens_nothing",
        "server/test_gate.py::test_unknown_tenant_and_wrong_token_get_one_answer",
    ),
    "CVE-2022-1680: a create took an account over, and a change of its e-mail kept it": (
        "engine/test_conflicts.py::test_adopting_never_rewrites_login_mail_or_password",
        "engine/test_conflicts.py::test_an_unclear_create_never_takes_over_an_account_that_was_there",
    ),
    "gitlab-ee 11643: what a client said was taken for verified": (
        "app/test_hardened.py::test_only_what_is_mapped_is_written",
    ),
    "langfuse 15997: a placeholder password became a credential": (
        "demo/test_round_trip.py::test_a_password_is_never_kept",
        "mapping/test_writing.py::test_passwords_are_hashed_one_way_and_never_read",
    ),
    "CVE-2026-43640: a key could be read again": (
        "server/test_admin.py::test_tokens",
        "app/test_hardened.py::test_no_secret_of_the_file_comes_out",
    ),
    "CVE-2026-16100: requests made labels of metrics": (
        "telemetry/test_observer.py::test_labels_never_come_from_a_request",
    ),
    "directory-scimple 1126: a nested filter blew the stack and was echoed": (
        "scim/test_filters_laws.py::test_hostile_filters_are_refused_at_once",
    ),
    "prototype pollution and a regular expression that never ended": (
        "scim/test_filters_laws.py::test_reading_takes_time_in_proportion",
        "scim/test_dialects_shapes.py::test_names_of_python_and_javascript_are_refused",
    ),
    "fleet 49560, Cogtrix 122, OneUptime 3852: a deactivation did nothing": (
        "engine/test_changes.py::test_a_deactivation_is_read_back",
        "demo/test_round_trip.py::test_a_leaver_loses_access_in_the_table",
    ),
    "CVE-2026-32597, CVE-2025-59420, CVE-2022-29217 and others: forged tokens were believed": (
        "server/auth/test_jwt.py::test_forged_tokens",
        "server/auth/test_jwt.py::test_skew_and_algorithms_are_bounded",
    ),
}


@pytest.mark.parametrize("incident", INCIDENTS)
def test_every_incident_has_its_tests(incident: str) -> None:
    """Each row names tests that are there."""
    for node in INCIDENTS[incident]:
        file, _, name = node.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        defined = {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in defined, node
