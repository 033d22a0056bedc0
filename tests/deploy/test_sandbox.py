"""The wheel, run as the image and the unit run it: no root, no writable file system but one folder (X17)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from tests.architecture.modules import ROOT
from tests.gateway_process import USER_URN, Client, serving
from tests.services import free_port

CONFIG = """\
version: 1
server: { listen: "127.0.0.1:${env:PORT}" }
metrics: { listen: "127.0.0.1:${env:METRICS_PORT}" }
store: { url: "sqlite:///${env:DATA}/gateway.db", id_key: "${env:ID_KEY}" }
backends:
  hr:
    type: memory
    settings: { entities: { people: { fields: { login: { type: str, required: true, unique: true }, on: bool } } } }
tenants:
  acme:
    tokens: [ { name: idp, sha256: DIGEST } ]
    resources:
      User: { backend: hr, entity: people, attributes: { userName: login, active: on }, on_delete: delete }
""".replace("DIGEST", sha256(b"secret-token").hexdigest())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel's contents."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.needs("bwrap")
async def test_the_wheel_runs_read_only_and_without_root(tmp_path: Path, wheel: Path) -> None:
    """As user 10001, without capabilities, on a file system that cannot be written but for the store's folder, it
    serves, is ready, keeps an account, and leaves nothing elsewhere."""
    data = tmp_path / "data"
    data.mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    sandbox = [
        "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", str(data), str(data),
        "--unshare-user", "--uid", "10001", "--gid", "10001", "--unshare-pid", "--cap-drop", "ALL", "--die-with-parent",
    ]  # fmt: skip
    tried = await asyncio.create_subprocess_exec(
        *sandbox, "sh", "-c", f"id -u; touch {tmp_path}/x 2>&1", stdout=asyncio.subprocess.PIPE
    )
    user, refused = (await tried.communicate())[0].decode().splitlines()
    assert (user, "Read-only file system" in refused) == ("10001", True)
    ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(wheel), "DATA": str(data), "ID_KEY": "k" * 40, "HOME": "/nowhere",
        **ports,
    }  # fmt: skip
    where = "import gateway, backends; print(gateway.__file__, backends.__file__)"
    program = [*sandbox, sys.executable, "-P", "-c", where]
    shown = await asyncio.create_subprocess_exec(*program, env=environment, stdout=asyncio.subprocess.PIPE)
    assert (await shown.communicate())[0].decode().count(f"{wheel}/") == 2
    program = [*sandbox, sys.executable, "-P", "-m", "gateway.cli"]
    async with (
        serving(config, environment, tmp_path, program=program) as served,
        aiohttp.ClientSession() as session,
    ):
        base = f"http://127.0.0.1:{ports['PORT']}"
        async with session.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ready"})
        client = Client(session, f"{base}/acme/scim/v2", "secret-token")
        ada = {"schemas": [USER_URN], "userName": "ada", "active": True}
        made = await client.done("POST", "/Users", ada)
        assert (await client.done("GET", f"/Users/{made['id']}"))["userName"] == "ada"
    assert served.log.read_text(encoding="utf-8").count('"level":"error"') == 0
    assert (data / "gateway.db").exists()
    assert sorted(os.listdir(tmp_path)) == ["config.yaml", "data", "serve.log"]
