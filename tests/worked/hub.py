"""A real JupyterHub, in a virtual environment of its own; nobody opens a notebook there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.services import free_port

PACKAGES = ("jupyterhub==6.1.1",)
ENVIRONMENT = "SCIM_TEST_JUPYTERHUB"
"""Names a virtual environment that has JupyterHub, or says with any other value that one may be made."""
TOKEN = "hub-t0psecret-hub-t0psecret"
CONFIGURATION = """
from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    should_start = False

    async def start(self): ...
    async def stop(self): ...
    async def add_route(self, routespec, target, data): ...
    async def delete_route(self, routespec): ...
    async def get_all_routes(self):
        return {{}}


c = get_config()
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.bind_url = c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/secret"
c.JupyterHub.authenticator_class = "null"
c.JupyterHub.services = [{{"name": "gateway", "api_token": "{token}"}}]
scopes = ["admin:users", "admin:groups", "list:users", "list:groups"]
c.JupyterHub.load_roles = [{{"name": "gateway", "scopes": scopes, "services": ["gateway"]}}]
"""


def wanted() -> bool:
    """Tell whether JupyterHub may be installed here: where it was asked for, and where no test may be skipped."""
    return bool(os.environ.get(ENVIRONMENT)) or os.environ.get("SCIM_TEST_SKIPS") == "none"


def installed(folder: Path) -> Path:
    """Give a virtual environment with JupyterHub, made now unless one is named."""
    named = Path(os.environ.get(ENVIRONMENT, ""))
    if (named / "bin" / "jupyterhub").exists():
        return named
    environment = folder / "jupyterhub"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    pip = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    subprocess.run(pip, check=True, timeout=300)
    return environment


@contextlib.contextmanager
def running(environment: Path, folder: Path) -> Iterator[str]:
    """Start the hub; yields the URL of its API."""
    port = free_port()
    configuration = folder / "jupyterhub_config.py"
    configuration.write_text(CONFIGURATION.format(port=port, folder=folder, token=TOKEN), encoding="utf-8")
    program = [environment / "bin" / "jupyterhub", "-f", configuration]
    process = subprocess.Popen(program, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/hub/api"
        _await(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "JupyterHub does not start"
        try:
            with urlopen(f"{url}/", timeout=5):
                return
        except URLError:
            time.sleep(0.1)
    raise AssertionError("JupyterHub does not answer")
