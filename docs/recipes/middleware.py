"""A middleware: takes what an older MES posts, says it as the events of the door, and delivers each to the Odoo that it is for.

``python middleware.py settings.json``. What is answered with 202 is on the disk, and stays there until Odoo answered for it.
"""

import json
import logging
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from machine_connect.client import Client, Destination, NotDelivered
from machine_connect.signature import Key

TABLES = """
CREATE TABLE IF NOT EXISTS spool (number INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT, event TEXT);
CREATE TABLE IF NOT EXISTS rejected (event TEXT, reason TEXT, message TEXT);"""
OLDEST = "SELECT number, event FROM spool WHERE destination = ? ORDER BY number LIMIT 500"


def events(message, stations):
    """Return where a message of the MES goes, and its events: ``{"no", "station", "job", "at", "ok", "nok"}``."""
    station = stations[message["station"]]  # the MES knows stations, Odoo knows machines by their code
    said = {"specversion": "1.0", "source": "mes", "type": "mmc.production.count.v1", "subject": station["machine"]}
    said |= {"time": message["at"], "correlationid": message["job"]}
    counts = [(kind, int(message.get(word) or 0)) for kind, word in (("good", "ok"), ("reject", "nok"))]
    # An id that the message settles: a message that the MES repeats is the same event.
    return station["odoo"], [
        {**said, "id": f"{message['no']}-{kind}", "data": {"kind": kind, "delta": count}}
        for kind, count in counts if count
    ]  # fmt: skip


def deliver(path, name, settings):
    """Deliver what one Odoo is to get, the oldest first, for ever."""
    client = Client(Destination(**settings["destination"]), Key(settings["key"], bytes.fromhex(settings["secret"])))
    spool = sqlite3.connect(path, timeout=60)
    while True:
        batch = spool.execute(OLDEST, [name]).fetchall()
        try:
            results = client.deliver([json.loads(event) for _number, event in batch]).results if batch else ()
        except NotDelivered as failure:
            logging.warning("%s: %s", name, failure)
            results = ()
        with spool:
            for (number, event), result in zip(batch, results, strict=False):
                if result.status == "rejected":  # to be mended by a person; nothing else waits for it
                    spool.execute("INSERT INTO rejected VALUES (?, ?, ?)", [event, result.reason, result.message])
                spool.execute("DELETE FROM spool WHERE number = ?", [number])
        time.sleep(0 if results else 1)


def main(settings):
    if not {station["odoo"] for station in settings["stations"].values()} <= settings["odoo"].keys():
        sys.exit("A station names an Odoo that is not in the settings.")
    with sqlite3.connect(settings["spool"]) as spool:
        spool.executescript(TABLES)

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            try:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                odoo, said = events(message, settings["stations"])
            except (KeyError, TypeError, ValueError) as error:
                return self.send_error(400, explain=f"not understood: {error!r}")
            with sqlite3.connect(settings["spool"], timeout=60) as spool:
                spool.executemany("INSERT INTO spool VALUES (NULL, ?, ?)", [(odoo, json.dumps(one)) for one in said])
            self.send_response(202)
            self.end_headers()

    for name, odoo in settings["odoo"].items():
        threading.Thread(target=deliver, args=(settings["spool"], name, odoo), daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", settings["port"]), Taker).serve_forever()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
