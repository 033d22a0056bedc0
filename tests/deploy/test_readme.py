"""What `deploy/README.md` shows is what one sees."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import aiohttp
import asyncpg

from tests.deploy.test_configurations import DEPLOY, here
from tests.gateway_process import USER_URN, Client, serving
from tests.services import Postgres, free_port

IN_CONTAINER = re.compile(r"docker compose -f deploy/compose/compose.yaml exec (-e \S+ )?gateway scim-gateway (.*)")
METRICS = re.compile(r"curl -sS http://127.0.0.1:9464/metrics \| grep -E '(.*)'")


def shown() -> list[tuple[str, list[str]]]:
    """Read the commands of the page that have an output, and that output."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [(command, output) for command, output in found if output]


def steady(lines: list[str]) -> list[str]:
    """Leave out what is another with each version."""
    return [re.sub(r"^scim-gateway \S+ on Python \S+", "scim-gateway V on Python V", line) for line in lines]


async def test_the_page_shows_what_one_sees(tmp_path: Path, postgres: Postgres, valkey: str) -> None:
    """After the first account each command of the page prints what the page says, to the letter but for versions."""
    hr, ports = postgres.create_database(), (free_port(), free_port())
    legacy = await asyncpg.connect(hr)
    await legacy.execute((DEPLOY / "compose" / "legacy.sql").read_text(encoding="utf-8"))
    await legacy.close()
    config = here("compose", tmp_path, ports)
    environment = {
        "PATH": os.defpath, "STORE_URL": postgres.create_database(), "HR_DATABASE_URL": hr, "CACHE_URL": valkey,
        "SCIM_GATEWAY_ADMIN_TOKEN": "secret-token",
    }  # fmt: skip
    seen: list[tuple[str, list[str]]] = []
    async with serving(config, environment, tmp_path), aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{ports[0]}/acme/scim/v2", "secret-token")
        await client.done("POST", "/Users", {"schemas": [USER_URN], "userName": "Eve@example.com", "active": True})
        for command, _ in shown():
            if (inside := IN_CONTAINER.fullmatch(command)) is not None:
                words = shlex.split(inside[2].replace("/etc/scim-gateway/config.yaml", str(config)))
                words += [f"http://127.0.0.1:{ports[0]}"] if words == ["ping"] else []
                run = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "gateway.cli", *words, env=environment, stdout=asyncio.subprocess.PIPE
                )
                output = (await run.communicate())[0].decode().splitlines()
            else:
                asked = METRICS.fullmatch(command)
                assert asked is not None, command
                async with session.get(f"http://127.0.0.1:{ports[1]}/metrics") as answer:
                    lines = (await answer.text()).splitlines()
                output = [line for line in lines if re.match(asked[1], line)]
            seen.append((command, output))
    for (command, output), (_, wanted) in zip(seen, shown(), strict=True):
        assert steady(output) == steady(wanted), command
    assert len(seen) == 3
