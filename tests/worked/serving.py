"""Worked files served as they stand, but for what a test must set: addresses, the store, who the client is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from gateway.app import Observation, draw, running
from gateway.plugins import Plugins
from gateway.settings import load
from tests.demo_gateway import recorder
from tests.worked.lives import Client

CONFIG = Path(__file__).parents[2] / "config"
TENANT = "acme"
TOKEN = "t0ken"


@asynccontextmanager
async def served(
    name: str, folder: Path, client: str, *, environment: Mapping[str, str], settings: Mapping[str, Any]
) -> AsyncIterator[Client]:
    """Serve ``config/<name>`` for one kind of client. `settings` are put over those of its one backend."""
    document: Any = YAML(typ="safe").load((CONFIG / name).read_text(encoding="utf-8"))
    document["server"] = {"listen": "127.0.0.1:0"}
    document["metrics"] = {"listen": "127.0.0.1:0"}
    document["store"]["url"] = f"sqlite:///{folder / 'gateway.db'}"
    document["tenants"][TENANT]["client"] = client
    (backend,) = document["backends"].values()
    backend["settings"].update(settings)
    path = folder / name
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    known = {"SCIM_ID_KEY": "0123456789abcdef" * 4, "SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest()}
    blueprint = draw(load(path, {**known, **environment}), Plugins.installed())
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
    observation = Observation(recorder([]), CollectorRegistry())
    async with running(blueprint, observation) as one, aiohttp.ClientSession(headers=headers) as session:
        yield Client(session, f"http://{one.address}/{TENANT}/scim/v2")
