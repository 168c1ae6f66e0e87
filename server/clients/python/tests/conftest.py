"""A running service; ``cargo xtask test --all`` starts it and names it here."""

from __future__ import annotations

import os

import pytest
from eemu_client import Client


def _named(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.exit(f"{name} is not set: `cargo xtask test --all` starts a service and runs these tests", 2)
    return value


@pytest.fixture(scope="session")
def address() -> str:
    return _named("EEMU_ADDRESS")


@pytest.fixture(scope="session")
def admin(address: str) -> Client:
    return Client(address, _named("EEMU_ADMIN"))


@pytest.fixture(scope="session")
def operator(address: str) -> Client:
    return Client(address, _named("EEMU_OPERATOR"))


@pytest.fixture(scope="session")
def anybody(address: str) -> Client:
    return Client(address)
