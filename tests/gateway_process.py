"""`scim-gateway serve` in a process of its own, and clients that speak with it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

SCIM = "application/scim+json"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(slots=True)
class Client:
    """Asks one tenant."""

    session: aiohttp.ClientSession
    url: str
    token: str

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request; give status and document."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": SCIM}
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that must succeed."""
        status, found = await self.ask(method, path, body)
        assert 200 <= status < 300, (method, path, status, found)
        return found


@dataclass(slots=True)
class Served:
    """A gateway that serves."""

    process: asyncio.subprocess.Process
    log: Path
    printed: list[str] = field(default_factory=list)

    async def end(self) -> int:
        """Tell it to end; give the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            return await self.process.wait()


@asynccontextmanager
async def serving(
    config: Path,
    environment: Mapping[str, str],
    folder: Path,
    *options: str,
    program: Sequence[str] = (sys.executable, "-m", "gateway.cli"),
    last: str = "metrics",
) -> AsyncIterator[Served]:
    """Serve `config` for the length of the block, from when the line that begins with `last` is printed."""
    log = folder / "serve.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *program, "serve", str(config), *options,
            env=dict(environment), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    served = Served(process, log)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while not served.printed or not served.printed[-1].startswith(last):
                line = await process.stdout.readline()
                assert line, log.read_text(encoding="utf-8")
                served.printed.append(line.decode().rstrip())
        yield served
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
