"""``python -m simulator.label_printer``: the label printer beside the packaging line, which tells its serial numbers late.

It prints a label for each good pack and reads it again, as printers that verify do. What it read goes to Odoo as scans
(``identity.scan``), signed, through the HTTP door – in batches, some time after the packs were counted: it is another
source than the line, with a connection of its own. It is told what was packed by the truth of the plant.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

from machine_connect.client import Client, Destination, NotDelivered
from machine_connect.signature import Key
from machine_connect.timestamps import timestamp

from .packaging_line import PACK_GTIN

#: How a reader of 2D codes begins a GS1 DataMatrix (ISO/IEC 15424).
DATAMATRIX = "]d2"


class LabelPrinter:
    """A printer that delivers the labels of packs.

    :param Client client: by which it delivers
    :param str machine: code of the machine that it stands at
    :param str gtin: of what is packed, 14 digits
    :param str stream: what it calls itself; begun anew with each run unless given
    """

    def __init__(self, client, machine, gtin, stream=""):
        self.client = client
        self.machine = machine
        self.gtin = gtin
        self.stream = stream or f"label-printer/{uuid.uuid4().hex[:12]}"
        self.printed = 0

    def label(self, serial):
        """Return the code on the label of a serial number, as its reader says it."""
        return f"{DATAMATRIX}01{self.gtin}21{serial}"

    def batch(self, packs):
        """Return the events that tell of packs.

        :param packs: as of the truth of :class:`simulator.packer.Packer`: ``{"at", "serial"}``
        """
        events = []
        for pack in packs:
            self.printed += 1
            events.append(
                {
                    "specversion": "1.0",
                    "id": pack["serial"],
                    "source": self.stream,
                    "type": "mmc.identity.scan.v1",
                    "subject": self.machine,
                    "time": timestamp(int(pack["at"] * 1e6)),
                    "epoch": 1,
                    "sequence": f"{self.printed:020d}",
                    "data": {"value": self.label(pack["serial"])},
                }
            )
        return events

    def deliver(self, packs):
        """Deliver the labels of packs, and return what was answered."""
        return self.client.deliver(self.batch(packs))


def main(arguments=None):
    """Print and deliver until Ctrl-C."""
    options = _parser().parse_args(arguments)
    with open(options.settings, encoding="utf-8") as file:
        settings = json.load(file)
    client = Client(
        Destination(options.url, settings["environment"], settings["uuid"]),
        Key(settings["key"], bytes.fromhex(settings["secret"])),
    )
    printer, told = LabelPrinter(client, settings["code"], PACK_GTIN), 0
    try:
        while True:
            time.sleep(options.late)
            told = _deliver_new(printer, options.truth, told)
    except KeyboardInterrupt:
        return 0


def _deliver_new(printer, url, told):
    """Deliver what was packed since the last time; return how many packs are told by now."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            truth = json.load(answer)
        # The truth remembers the last packs only.
        new = truth["packs"][-(truth["good"] - told) :] if truth["good"] > told else []
        for start in range(0, len(new), 100):
            printer.deliver(new[start : start + 100])
        return truth["good"]
    except (urllib.error.URLError, OSError, NotDelivered) as error:
        print(f"the labels are delivered later: {error}", file=sys.stderr, flush=True)
        return told


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m simulator.label_printer", description="Delivers the labels of the packaging line, late."
    )
    parser.add_argument("settings", metavar="FILE", help="JSON: key, secret, environment, uuid and code of the machine")
    parser.add_argument("--url", default="http://127.0.0.1:8069", help="of Odoo (default: %(default)s)")
    parser.add_argument("--truth", default="http://127.0.0.1:15100/truth/packer", metavar="URL", help="of the line")
    parser.add_argument(
        "--late", type=float, default=20.0, metavar="S", help="seconds between two batches (default: 20)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
