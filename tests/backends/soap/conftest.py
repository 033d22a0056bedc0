"""Running services, and backends on them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from backends.contract import Context
from backends.soap import SoapBackend, SoapSettings
from tests.backends.soap import systems
from tests.backends.soap.servers import LegacyServer, StaffServer

Open = Callable[..., AbstractAsyncContextManager[SoapBackend]]


@contextlib.asynccontextmanager
async def opened(settings: dict[str, Any]) -> AsyncIterator[SoapBackend]:
    """Start a backend and stop it afterwards."""
    backend = SoapBackend(SoapSettings.model_validate(settings), Context("soap"))
    try:
        await backend.start()
        yield backend
    finally:
        await backend.stop()


@pytest.fixture
async def server() -> AsyncIterator[StaffServer]:
    """The HR service."""
    async with StaffServer().running() as running:
        yield running


@pytest.fixture
async def old() -> AsyncIterator[LegacyServer]:
    """The service of 1999."""
    async with LegacyServer().running() as running:
        yield running


@pytest.fixture
async def staff(server: StaffServer) -> AsyncIterator[SoapBackend]:
    """A backend on the HR service."""
    async with opened(systems.staff(server.url)) as backend:
        yield backend


@pytest.fixture
async def legacy(old: LegacyServer) -> AsyncIterator[SoapBackend]:
    """A backend on the service of 1999."""
    async with opened(systems.legacy(old.url)) as backend:
        yield backend
