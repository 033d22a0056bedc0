"""The REST backend keeps the rules of the contract on systems of several habits, by settings alone (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from backends.conformance import ConformanceSuite, Group, Harness, Roles, RowRole
from backends.contract import Backend, Context, Fields
from backends.rest import RestBackend, RestSettings
from tests.backends.rest import systems
from tests.backends.rest.servers import NamedServer, ProperServer, RpcServer, Server, SortedServer, UglyServer

ROLES = Roles(
    name="login",
    text="note",
    longest=400,
    number="grade",
    flag="enabled",
    day="hired",
    moment="seen",
    many="tags",
    rows=RowRole("mails", key="address", other="kind"),
)


class RestHarness(Harness):
    """A system of `server`, described by `system`."""

    entity = "people"
    roles = ROLES
    secrets = ("t0psecret", "127.0.0.1")
    ordered = False
    server: ClassVar[type[Server]]
    system: ClassVar[Callable[[str], dict[str, Any]]]

    def __init__(self) -> None:
        self._running: Server | None = None

    def world(self, place: Any) -> AbstractAsyncContextManager[Any]:
        self._running = self.server()
        return self._running.running()

    def build(self, place: Any) -> Backend[Any]:
        url = self._running.url if self._running is not None else "http://127.0.0.1:9"
        settings = RestSettings.model_validate(type(self).system(url or "http://127.0.0.1:9"))
        return RestBackend(settings, Context("rest"))

    def order(self, key: str) -> Any:
        return int(key)

    def unreachable(self) -> Backend[Any]:
        return RestBackend(RestSettings.model_validate(type(self).system("http://127.0.0.1:9")), Context("rest"))

    def fail(self, backend: Backend[Any], step: int, *, lost: bool) -> None:
        assert self._running is not None
        self._running.left, self._running.lost = step, lost

    def heal(self, backend: Backend[Any]) -> None:
        assert self._running is not None
        self._running.left = None


class Proper(RestHarness):
    server = ProperServer
    system = systems.proper
    group = Group("teams", name="title", members="members", inverse="teams")


class TestProper(ConformanceSuite):
    harness = Proper()


class Ugly(RestHarness):
    server = UglyServer
    system = systems.ugly
    group = Group("teams", name="title", members="members")


class TestUgly(ConformanceSuite):
    harness = Ugly()


class Rpc(RestHarness):
    server = RpcServer
    system = systems.rpc
    shifting = True
    group = Group("teams", name="title", members="members")


class TestRpc(ConformanceSuite):
    harness = Rpc()


class Named(RestHarness):
    server = NamedServer
    system = systems.named
    roles = Roles(name="login", text="note", longest=400, number="grade", many="tags", key="login")
    group = Group("teams", name="title", members="members")

    def order(self, key: str) -> Any:
        return key

    async def outsider(self, backend: Backend[Any], place: Any) -> str:
        place.directory.add("people", {"login": "robot", "kind": "robot"}, "robot")
        return "robot"


class TestNamed(ConformanceSuite):
    harness = Named()


class Ordered(RestHarness):
    server = SortedServer
    system = systems.ordered
    shifting = True

    async def insert(self, backend: Backend[Any], entity: str, fields: Fields) -> str:
        assert self._running is not None
        record: dict[str, Any] = dict(fields)
        for name in ("hired", "seen"):
            if name in record:
                record[name] = record[name].isoformat()
        return str(self._running.directory.add("people", record)["id"])


class TestOrdered(ConformanceSuite):
    harness = Ordered()


def test_what_does_not_apply_to_rest_is_told() -> None:
    """Each rule is tried on one of the systems or has a reason not to be."""
    suites = (TestProper, TestUgly, TestRpc, TestNamed, TestOrdered)
    never = set.intersection(*(set(suite.inapplicable) for suite in suites))
    assert never == {"the_default_order_is_that_of_the_keys", "what_is_found_in_the_live_system_has_fields"}
