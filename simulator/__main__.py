"""``python -m simulator``: all machines of the plant in one process, until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import contextlib
import importlib
import logging
import signal
import sys

from .control import Control

#: Machine -> module and class, and the port where it listens unless told otherwise. A module is imported when its
#: machine is wanted, so that the press runs where the OPC UA library is missing.
#:
#: Each class has ``async start()``, ``async stop()``, ``truth()`` (JSON: what really happened) and
#: ``fault(name, **parameters)`` (ValueError for what it does not know), and is made with ``port=``.
MACHINES = {
    "press": ("press", "Press", 15020),
    "filler": ("filler", "Filler", 14840),
    "cnc": ("replay", "Replay", 14850),
    "packer": ("packer", "Packer", 15030),
}
SCHEMES = {"press": "modbus", "filler": "opc.tcp", "cnc": "opc.tcp", "packer": "modbus"}
#: Those that run unless told otherwise: the packer needs an operator who knows what is in Odoo.
USUAL = ("press", "filler", "cnc")


def main(arguments=None):
    """Run the plant and return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        asyncio.run(_run(options))
    except (OSError, ImportError, RuntimeError) as error:
        print(f"the plant cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Runs a small plant on 127.0.0.1 until Ctrl-C. Port 0 takes any free one; it is printed.",
    )
    parser.add_argument(
        "--only", metavar="NAMES", help=f"machines, with commas, of: {','.join(MACHINES)} (default: all but the packer)"
    )
    for name, (_module, _class, port) in MACHINES.items():
        parser.add_argument(
            f"--{name}-port", type=int, default=port, metavar="PORT", help=f"of the {name} (default: {port})"
        )
    parser.add_argument(
        "--control-port", type=int, default=15100, metavar="PORT", help="GET /truth, POST /fault/… (default: 15100)"
    )
    parser.add_argument("--press-cycle", type=float, default=2.0, metavar="S", help="seconds of a stroke (default: 2)")
    parser.add_argument(
        "--press-jam-every", type=int, default=150, metavar="N", help="strokes between jams, 0 = never (default: 150)"
    )
    parser.add_argument("--cnc-speed", type=float, default=20.0, metavar="N", help="times real time (default: 20)")
    parser.add_argument("--cnc-log", metavar="FILE", help="SHDR log to play (default: 20 plates of a real machine)")
    parser.add_argument("--packer-cycle", type=float, default=3.0, metavar="S", help="seconds of a pack (default: 3)")
    parser.add_argument("--packer-order", default="", metavar="CODE", help="what its operator scans at first (none)")
    parser.add_argument("--packer-lots", default="", metavar="LOTS", help="with commas: lots that he puts in in turn")
    parser.add_argument(
        "--packer-serials", default="TB", metavar="TEXT", help="what its labels begin with (default: TB)"
    )
    parser.add_argument("--cnc-once", action="store_true", help="do not begin the day anew when it has ended")
    return parser


async def _run(options):
    names = options.only.split(",") if options.only else list(USUAL)
    if unknown := [name for name in names if name not in MACHINES]:
        raise RuntimeError(f"there is no machine {unknown[0]}; there are: {', '.join(MACHINES)}")
    ended = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # not on Windows; Ctrl-C works there by itself
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)

    async with contextlib.AsyncExitStack() as running:
        machines = {}
        for name in names:
            machines[name] = machine = _make(name, options)
            running.push_async_callback(machine.stop)
            await machine.start()
            print(f"{name:8} {SCHEMES[name]}://127.0.0.1:{machine.port}", flush=True)
        control = Control(machines, options.control_port)
        running.push_async_callback(control.stop)
        await control.start()
        print(f"{'control':8} http://127.0.0.1:{control.port}/truth", flush=True)
        await ended.wait()
    print("stopped; the truth was:", flush=True)
    for name, machine in machines.items():
        print(f"{name:8} {machine.truth()}", flush=True)


def _make(name, options):
    module, class_name, _port = MACHINES[name]
    machine_class = getattr(importlib.import_module(f".{module}", __package__), class_name)
    settings = {"port": getattr(options, f"{name}_port")}
    if name == "press":
        settings |= {"cycle": options.press_cycle, "jam_every": options.press_jam_every}
    if name == "packer":
        lots = tuple(lot for lot in options.packer_lots.split(",") if lot)
        settings |= {"cycle": options.packer_cycle, "order": options.packer_order, "lots": lots}
        settings |= {"serials": options.packer_serials}
    if name == "cnc":
        settings |= {"speed": options.cnc_speed, "loop": not options.cnc_once}
        settings |= {"path": options.cnc_log} if options.cnc_log else {}
    return machine_class(**settings)


if __name__ == "__main__":
    sys.exit(main())
