"""Which machines of others do we test against, and how do they get here? Fetched when the integration tests need them.

- modsim, a Modbus device with every data type; it needs an older pymodbus than ours, so it gets its own environment.
- node-opcua-samples, an OPC UA server from the node-opcua project.
- Node-RED, which runs the flow of ``docs/recipes``.
- nginx, which runs the configuration of ``docs/recipes``: the system's, or else Debian's package, unpacked and not installed.
"""

import os
import shutil

from . import environment, odoo_source, virtualenv
from .environment import HOME, Problem, step

MODSIM = "modsim==0.5.2"
MODSIM_VENV = HOME / "venv-modsim"
NPM = HOME / "npm"
NPM_PACKAGES = ("node-opcua-samples@2.14.0", "node-red@4.1.15")
NGINX = HOME / "nginx"
#: Of the release that Odoo's own package takes its fonts from; its libraries are part of every Debian.
NGINX_PACKAGE = "nginx/bookworm"


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
        raise Problem(
            "Node.js is missing for the OPC UA server and the Node-RED that the tests talk to: apt-get install nodejs npm"
        )
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


def nginx():
    """Return the path of nginx: the system's own, or ours."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    return found or str(NGINX / "usr" / "sbin" / "nginx")


def set_up_nginx():
    """Make sure that nginx is there, where the system has none below ``.odoo/nginx``."""
    if nginx() != str(NGINX / "usr" / "sbin" / "nginx"):
        return
    if not shutil.which("apt-get"):
        raise Problem("nginx is missing for the tests of docs/recipes/nginx.conf, and there is no apt-get to fetch it")
    with environment.alone("nginx"):
        if environment.stamped(NGINX / ".done") != NGINX_PACKAGE:
            _fetch_nginx()


def _fetch_nginx():
    with step("fetching nginx (Debian's package, checked by apt)"):
        shutil.rmtree(NGINX, ignore_errors=True)
        NGINX.mkdir(parents=True)
        odoo_source.download([NGINX_PACKAGE], NGINX, "nginx could not be fetched: apt-get install nginx")
        (package,) = NGINX.glob("*.deb")
        environment.run(
            ["dpkg-deb", "-x", package, NGINX],
            log="nginx",
            problem="nginx could not be unpacked: apt-get install nginx",
        )
        environment.stamp(NGINX / ".done", NGINX_PACKAGE)
