"""What cannot be started in a test is at least held against its schema and linted."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from tests.architecture.modules import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = sorted(
    path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.stem not in {"kustomization", "config"}
)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8")))


def program(name: str) -> str:
    """Find a program that came with a wheel, beside the interpreter."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_kubernetes_manifests_fit_their_schema(path: Path) -> None:
    """Every manifest is valid for the current Kubernetes, unknown fields included."""
    for document in documents(path):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_kustomization_names_every_manifest() -> None:
    """Nothing is left out when the folder is applied."""
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    assert {path.name for path in KUBERNETES} == set(kustomization["resources"])
    for generator in kustomization["configMapGenerator"]:
        assert all((DEPLOY / "kubernetes" / name).exists() for name in generator["files"])


def containers() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    found = []
    for path in KUBERNETES:
        for document in documents(path):
            pod = document.get("spec", {}).get("template", {}).get("spec")
            if pod is not None:
                found += [(path.stem, pod, container) for container in pod["containers"]]
    return found


@pytest.mark.parametrize(
    ("name", "pod", "container"), containers(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_pods_run_with_as_little_as_possible(name: str, pod: dict[str, Any], container: dict[str, Any]) -> None:
    """Non-root, read-only, no capabilities, no escalation, no token of the cluster, bounded memory (X17)."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_the_compose_file_fits_its_schema() -> None:
    """The compose file is valid, and the files it mounts are there but for the secrets one makes."""
    compose = DEPLOY / "compose" / "compose.yaml"
    command = [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(compose)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (document,) = documents(compose)
    for service in document["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (compose.parent / source).exists(), volume


def test_every_secret_a_configuration_reads_is_handed_in() -> None:
    """What compose mounts, and what the page has one create for Kubernetes, is what the configurations read (X16)."""
    (compose,) = documents(DEPLOY / "compose" / "compose.yaml")
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for name in ("compose", "kubernetes"):
        text = (DEPLOY / name / "config.yaml").read_text(encoding="utf-8")
        files = set(re.findall(r"\$\{file:/run/secrets/([^}]+)\}", text))
        variables = set(re.findall(r"\$\{env:([A-Z_]+)\}", text))
        if name == "compose":
            given = compose["services"]["gateway"]
            assert (set(given["secrets"]), set(given["environment"])) == (files, variables)
        else:
            assert set(re.findall(r"--from-file=(\S+)", page)) == files
            assert set(re.findall(r"--from-literal=([A-Z_]+)=", page)) == variables


def test_the_units_folders_are_those_of_the_hardened_file() -> None:
    """The operators' socket and the trail lie where systemd has made room for them, closed to everybody else."""
    unit = (DEPLOY / "systemd" / "scim-gateway.service").read_text(encoding="utf-8").splitlines()
    hardened = (ROOT / "config" / "hardened.yaml").read_text(encoding="utf-8")
    for kind, path in (("Runtime", "unix:/run/scim-gateway/"), ("Logs", "/var/log/scim-gateway/")):
        assert {f"{kind}Directory=scim-gateway", f"{kind}DirectoryMode=0700"} <= set(unit)
        assert f":-{path}" in hardened


def test_the_image_is_built_as_its_linter_wants() -> None:
    """hadolint has nothing to say about the Dockerfile."""
    done = subprocess.run(
        [program("hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_does_not_run_as_root() -> None:
    """The last USER of the image is a number that is not 0, as Kubernetes' runAsNonRoot can check."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1].split(":")[0].isdigit()
    assert users[-1].split(":")[0] != "0"


@pytest.mark.needs("systemd-analyze")
def test_the_unit_verifies(tmp_path: Path) -> None:
    """systemd reads the unit without a word, and finds little to wish for in its sandbox."""
    unit = (DEPLOY / "systemd" / "scim-gateway.service").read_text(encoding="utf-8")
    stand_in = tmp_path / "scim-gateway.service"
    stand_in.write_text(unit.replace("/opt/scim-gateway/bin/scim-gateway", "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(stand_in)], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "scim-gateway" in line]
    assert done.returncode == 0, done.stderr
    assert ours == []
