"""`scim-gateway demo`: a legacy HR database, and the gateway in front of it."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import Running
from gateway.app.exposure import DEMO_TOKEN
from gateway.cli import examples, legacy_hr, reporting
from gateway.cli.configuration import blueprint
from gateway.cli.serve import run

TENANT = "demo"
APPLICATION = "scim-gateway-demo"
DATABASE, STORE, KEY = "hr.db", "gateway.db", "id-key"
METRICS = "127.0.0.1:9464"
_BAR = 30


@dataclass(frozen=True, slots=True)
class Files:
    """The demo's files: the legacy database, the gateway's store, and the key its ids are derived with."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / DATABASE

    @property
    def store(self) -> Path:
        return self.folder / STORE

    @property
    def key(self) -> Path:
        return self.folder / KEY

    def remove(self) -> None:
        """Remove what the demo made, and nothing else that lies in its folder."""
        for path in (self.database, self.store, self.key):
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)

    def create(self, *, empty: bool, progress: legacy_hr.Progress | None = None) -> bool:
        """Make what is not there; tell whether the database is new. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not self.database.exists()
        if new:
            # A store without its database would know accounts that are not there.
            Files(self.folder).remove()
            legacy_hr.create(self.database, empty=empty, progress=progress)
        if not self.key.exists():
            with open(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as key:
                key.write(secrets.token_hex(32))
        return new

    def is_seeded(self) -> bool:
        """Tell whether there is a database with people in it that no client of the gateway made."""
        if not self.database.exists():
            return False
        with closing(sqlite3.connect(self.database)) as database:
            (found,) = database.execute("SELECT EXISTS (SELECT 1 FROM EMPLOYEE WHERE CREATED_BY <> 'scim')").fetchone()
        return bool(found)

    def environment(self, listen: str, metrics: str = METRICS) -> dict[str, str]:
        """Give what ``config/demo.yaml`` refers to."""
        return {
            "SCIM_DEMO_LISTEN": listen,
            "SCIM_DEMO_METRICS": metrics,
            "SCIM_DEMO_DATABASE": f"sqlite:///{self.database.resolve()}",
            "SCIM_DEMO_STORE": f"sqlite:///{self.store.resolve()}",
            "SCIM_DEMO_ID_KEY": self.key.read_text(encoding="ascii"),
        }


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port on 127.0.0.1.")] = 8080,
    empty: Annotated[bool, typer.Option("--empty", help="Begin without employees and teams.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Throw away what is there and begin anew.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="The folder of the demo's files.", show_default="a folder of yours")
    ] = None,
) -> None:
    """Serve standard SCIM in front of a legacy HR database, made for you in SQLite.

    A thousand employees and forty teams lie in tables nobody would design today; an ordinary configuration file, named
    at the start, maps them. Point an identity provider or curl at it. It serves on this machine only, keeps its data
    between two starts, and ends with Ctrl-C.
    """
    files = Files(data if data is not None else default_folder())
    try:
        if reset:
            files.remove()
        if empty and files.is_seeded():
            reporting.fail(f"{files.database} has employees already; --empty --reset begins anew without them")
        files.create(empty=empty, progress=_progress)
        environment = {**os.environ, **files.environment(f"127.0.0.1:{port}")}
        config = examples.locate("demo.yaml")
    except (OSError, ValueError, sqlite3.Error) as error:
        reporting.fail(f"the demo's files cannot be used: {error}")
    run(
        blueprint(config, environment),
        logging.WARNING,
        lambda served: typer.echo(banner(served, files, config)),
        metrics_needed=False,
    )
    typer.echo("the demo has ended; its data stays for the next start")


def default_folder() -> Path:
    """Choose the folder of the user's data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / APPLICATION
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / APPLICATION


def banner(served: Running, files: Files, config: Path) -> str:
    """Write what is printed once the demo serves; its last line says how it ends."""
    url = served.tenant_url(TENANT)
    database = shlex.quote(str(files.database))
    patch = (
        '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],'
        '"Operations":[{"op":"replace","path":"active","value":false}]}'
    )
    user = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com","active":true}'
    header = f"-H 'Authorization: Bearer {DEMO_TOKEN}'"
    metrics = f"http://{served.metrics}/metrics" if served.metrics is not None else f"none: {served.metrics_error}"
    lines = [
        "",
        f"  SCIM base URL   {url}",
        f"  bearer token    {DEMO_TOKEN}",
        f"  configuration   {config}",
        f"  metrics         {metrics}",
        "",
        "  Three things to try, in another window:",
        "",
        f"  curl -sS {header} '{url}/Users?count=1'",
        "",
        f"  curl -sS {header} -H 'Content-Type: application/scim+json' \\",
        f"    -d '{user}' \\",
        f"    {url}/Users",
        "",
        f"  curl -sS {header} -H 'Content-Type: application/scim+json' -X PATCH \\",
        f"    -d '{patch}' \\",
        f"    {url}/Users/$(curl -sS {header} \\",
        f"      '{url}/Users?filter=userName+eq+%22ada@example.com%22' | grep -o '\"id\":\"[^\"]*' | cut -c7-)",
        "",
        "  What the old application sees:",
        "",
        f"  {look(database)}",
        "",
        "  Ctrl-C ends the demo; the data stays for the next start.",
    ]
    return "\n".join(lines)


def look(database: str) -> str:
    """Give a command that shows the legacy table, with what this machine has."""
    statement = "SELECT EMP_NO, LOGIN, STATUS, CREATED_BY FROM EMPLOYEE ORDER BY EMP_NO DESC LIMIT 3"
    if shutil.which("sqlite3"):
        return f'sqlite3 -header {database} "{statement}"'
    python = shlex.quote(sys.executable)
    script = (
        "import sqlite3,sys; [print(*row, sep=chr(9)) for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])]"
    )
    return f'{python} -c "{script}" {database} "{statement}"'


def _progress(done: int, total: int) -> None:
    """Draw a bar on a terminal; say one thing elsewhere."""
    if not sys.stderr.isatty():
        if done == total:
            typer.echo(f"created a legacy HR database with {total} employees", err=True)
        return
    filled = done * _BAR // total
    typer.echo(
        f"\rcreating a legacy HR database [{'#' * filled}{'.' * (_BAR - filled)}] {done}/{total}", err=True, nl=False
    )
    if done == total:
        typer.echo(err=True)
