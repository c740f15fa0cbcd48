"""Which machines of others do we test against, and how do they get here? Fetched when the integration tests need them.

- modsim, a Modbus device with every data type; it needs an older pymodbus than ours, so it gets its own environment.
- node-opcua-samples, an OPC UA server from the node-opcua project.
"""

import shutil

from . import environment, virtualenv
from .environment import HOME, Problem, step

MODSIM = "modsim==0.5.2"
MODSIM_VENV = HOME / "venv-modsim"
NPM = HOME / "npm"
NPM_PACKAGES = ("node-opcua-samples@2.14.0",)


def set_up_modsim():
    """Make sure that ``.odoo/venv-modsim/bin/modsim`` is there."""
    if environment.stamped(MODSIM_VENV / ".done") != MODSIM:
        with environment.alone("modsim"), step(f"installing {MODSIM}"):
            virtualenv.create(MODSIM_VENV, [MODSIM])
            environment.stamp(MODSIM_VENV / ".done", MODSIM)


def set_up_npm():
    """Make sure that the Node packages are below ``.odoo/npm/node_modules``."""
    wanted = " ".join(NPM_PACKAGES)
    if environment.stamped(NPM / ".done") == wanted:
        return
    if not shutil.which("npm"):
        raise Problem("Node.js is missing for the OPC UA server that the tests talk to: apt-get install nodejs npm")
    with environment.alone("npm"), step(f"installing {wanted}"):
        NPM.mkdir(parents=True, exist_ok=True)
        (NPM / "package.json").write_text('{"private": true}\n')
        environment.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NPM_PACKAGES],
            cwd=NPM,
            log="npm",
            problem="Node packages could not be installed. Try again: ./dev test integration.",
        )
        environment.stamp(NPM / ".done", wanted)
