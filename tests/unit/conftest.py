"""Fixtures for several modules of this tier."""

import pytest

from machine_connect.drivers import modbus_link
from tests.unit.loopback import Loopback


@pytest.fixture(scope="module")
def loop():
    """An event loop in a thread, for servers on loopback."""
    with Loopback() as running:
        yield running


@pytest.fixture
def real_pauses():
    """Asked for by the tests that are about the pause between hanging up on a Modbus line and calling again."""


@pytest.fixture
def pauses(request, monkeypatch):
    """Short pauses on Modbus lines, except where a test asks for the real ones."""
    if "real_pauses" not in request.fixturenames:
        monkeypatch.setattr(modbus_link, "REOPENING_PAUSE", 0.005)
