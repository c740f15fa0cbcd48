"""How does the demo get its packaging line? Set up in its database once, with an order, lots and a label printer's key."""

import json
import time

from . import environment, odoo_process, virtualenv
from .environment import HOME, step

PORT = 15030
#: Lots of pouches that the operator puts in in turn.
LOTS = ("P-0001", "P-0002", "P-0003")

SET_UP = """
import json
from simulator.packaging_line import demo

facts = demo(env, {port}, {lots!r}, {known!r})
env.cr.commit()
open({answer!r}, "w").write(json.dumps(facts))
"""

WHAT_TO_SEE = """
  packaging     Machines > Packaging Line: order {order} is scanned, pouches by lot, rejects by weight;
                each pack waits in Exceptions until the label printer tells its serial number
  another lot   curl -X POST 'http://127.0.0.1:15100/fault/packer/change_lot?lot=P-0003&code=P-0003'
  read on       docs/tutorial-packaging-line.md
"""


def set_up(cluster, database):
    """Make the line in the database where it is not there yet; return what is known of it, with the path of its settings."""
    settings = HOME / f"packaging-{environment.safe_name(database)}.json"
    known = json.loads(settings.read_text()) if settings.exists() else {}
    answer = HOME / f"packaging-{environment.safe_name(database)}.new.json"
    configuration = odoo_process.configuration(cluster, "packaging", db_name=database)
    code = SET_UP.format(port=PORT, lots=list(LOTS), known=known, answer=str(answer))
    with step("setting up the packaging line"):
        odoo_process.run_python(cluster, configuration, database, code)
    answer.chmod(0o600)  # it holds the printer's key
    answer.replace(settings)
    return {**json.loads(settings.read_text()), "settings": settings}


def plant_arguments(facts):
    """Return the arguments with which the plant runs the line beside its other machines."""
    # A line that is started anew begins to number anew, and a serial number is there once.
    serials = f"TB{int(time.time()) // 60:X}-"
    return [
        "--only=press,filler,cnc,packer",
        f"--packer-order={facts['order']}",
        f"--packer-lots={','.join(LOTS)}",
        f"--packer-serials={serials}",
    ]


def printer_command(facts, url):
    """Return the command line of the label printer."""
    return [virtualenv.PYTHON, "-m", "simulator.label_printer", str(facts["settings"]), f"--url={url}"]
