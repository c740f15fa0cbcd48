"""Keeps a Python server on loopback whatever its code asks for: ``python listen_on_loopback.py module:function …``."""

import asyncio
import importlib
import sys

_create_server = asyncio.BaseEventLoop.create_server


async def _on_loopback(loop, factory, _host=None, port=None, **settings):
    return await _create_server(loop, factory, "127.0.0.1", port, **settings)


if __name__ == "__main__":
    asyncio.BaseEventLoop.create_server = _on_loopback
    module, _, function = sys.argv.pop(1).partition(":")
    sys.exit(getattr(importlib.import_module(module), function)())
