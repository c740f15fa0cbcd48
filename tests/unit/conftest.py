"""Fixtures for several modules of this tier."""

import contextlib
import gc
import os
from importlib.metadata import version

import pytest
from asyncua.server.internal_server import InternalServer

from machine_connect.drivers import modbus_link
from tests.unit.loopback import Loopback


@pytest.fixture(scope="session", autouse=True)
def standard_nodes_at_hand(request):
    """The six thousand standard nodes of each OPC UA server, made once and then loaded: a third of the time of all tests."""
    path = request.config.cache.mkdir("asyncua") / f"standard-nodes-{version('asyncua')}"
    make = InternalServer.load_standard_address_space

    async def load(server, shelf_file=None):
        with no_garbage_collection():
            if path.exists():
                server.aspace.load(path)
                return
            await make(server, shelf_file)
            part = path.with_suffix(f".{os.getpid()}")
            server.aspace.dump(part)
            part.replace(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InternalServer, "load_standard_address_space", load)
        yield


@contextlib.contextmanager
def no_garbage_collection():
    """Python looks for garbage again and again while a million objects are made, and there is none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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
