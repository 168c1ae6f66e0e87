"""The snippets of docs/clients.md, run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from eemu_client import Client

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "clients.md"
KINDS = ("sh", "python", "ts")


def snippets() -> list[tuple[str, str]]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [(kind, text) for kind, text in found if kind in KINDS]


def test_there_is_one_of_each_kind() -> None:
    assert {kind for kind, _ in snippets()} == set(KINDS)


def typescript() -> list[str]:
    """What runs TypeScript: node itself, or tsx of npm where node is older."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is not installed, so the TypeScript snippets cannot be run")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = (int(part) for part in version.lstrip("v").split(".")[:2])
    if (major, minor) >= (22, 6):
        return [node, "--experimental-strip-types", "--no-warnings"]
    npx = shutil.which("npx")
    if npx is None:
        pytest.fail(f"node {version.strip()} runs no TypeScript, and npx is not there to get tsx")
    return [npx, "--yes", "tsx@4.20.6"]


@pytest.mark.parametrize("kind, text", snippets())
def test_a_snippet(kind: str, text: str, address: str, admin: Client, tmp_path: Path) -> None:
    user = admin.demo()[0]["user"]
    item = admin.interactions(user)[0]["item"]
    # What the page says to set before.
    environment = {**os.environ, "EEMU": address, "TOKEN": admin.token or "", "WHO": user, "WHAT": item}
    environment["PYTHONPATH"] = str(ROOT / "server" / "clients" / "python" / "src")
    file = tmp_path / f"snippet.{ {'sh': 'sh', 'python': 'py', 'ts': 'mts'}[kind] }"
    file.write_text(text)
    program = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable], "ts": None}[kind] or typescript()
    ran = subprocess.run(
        [*program, str(file)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, f"{text}\n{ran.stdout}\n{ran.stderr}"
    assert ran.stdout.strip(), f"a snippet that shows nothing:\n{text}"
    assert '"code"' not in ran.stdout, f"the service refused it:\n{ran.stdout}"
