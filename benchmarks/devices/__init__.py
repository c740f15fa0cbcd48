"""Devices on 127.0.0.1 for the benchmarks, each kind in a process of its own, so that the CPU we measure is only ours.

``python -m benchmarks.devices.modbus`` prints one line of JSON, which says where it listens, and serves until its
standard input ends.
"""

import contextlib
import json
import subprocess
import sys


@contextlib.contextmanager
def running(kind, **options):
    """Run devices while the block lasts.

    :param str kind: a module of this package
    :param options: of its command line: ``silent=10`` is ``--silent 10``
    :return: what the devices said of themselves
    """
    arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", f"benchmarks.devices.{kind}", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the devices did not start: {' '.join(command)}")
        yield json.loads(line)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


async def serve(said):
    """Say where the devices listen, and wait until nobody needs them any more. Runs in the devices' own process.

    :param dict said: JSON
    """
    import asyncio

    print(json.dumps(said), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
