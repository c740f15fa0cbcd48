"""Where is Odoo 19, and how does it get here?

An existing checkout is used when ``ODOO_PATH`` names one. Otherwise Debian's package ``odoo-19`` is downloaded from
the mirror this system already uses, verified by apt against Debian's archive keys, and unpacked under ``.odoo/root``:
nothing is installed, the system's own package sources are left as they are, and no root is needed.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import environment
from .environment import HOME, Problem, say, step

TESTED_VERSION = "19.0.0+dfsg-1"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBS = HOME / "debs"
UNPACKED = HOME / "root"
STAMP = UNPACKED / ".done"

# What Odoo's package links to instead of carrying it. Font Awesome must be 4.7, which Debian 12 still has.
LINKED = {
    "unstable": ("fonts-montserrat",),
    "bookworm": (
        "libjs-jquery",
        "libjs-jquery-form",
        "libjs-underscore",
        "fonts-font-awesome",
        "fonts-roboto-unhinted",
        "fonts-inconsolata",
        "fonts-ocr-b",
        "fonts-glyphicons-halflings",
    ),
}


def python_path():
    """The folder that holds the package ``odoo``."""
    if checkout := os.environ.get("ODOO_PATH"):
        return Path(checkout).expanduser().resolve()
    return UNPACKED / "usr/lib/python3/dist-packages"


def version():
    """A word that changes when Odoo does: the package's version, or the commit of the checkout."""
    if os.environ.get("ODOO_PATH"):
        commit = environment.output_of(["git", "-C", python_path(), "rev-parse", "HEAD"])
        return f"{python_path()} {commit}"
    return environment.stamped(STAMP)


def set_up():
    """Make sure that Odoo 19 is there."""
    if os.environ.get("ODOO_PATH"):
        _check_checkout()
    elif not environment.stamped(STAMP):
        with step("fetching Odoo 19 (Debian's package, checked by apt)"):
            fetched = _download()
        with step(f"unpacking Odoo {fetched}"):
            _unpack()
        environment.stamp(STAMP, fetched)
        if fetched != TESTED_VERSION:
            say(f"Odoo {fetched} is newer than {TESTED_VERSION}, with which this suite was tested last")


def _check_checkout():
    release = python_path() / "odoo" / "release.py"
    if not release.is_file():
        raise Problem(f"ODOO_PATH is {python_path()}, but no Odoo is there: export ODOO_PATH=/path/to/odoo")
    found = re.search(r"^version_info = \((\d+), (\d+)", release.read_text(), re.MULTILINE)
    if not found or found.groups() != ("19", "0"):
        raise Problem(f"ODOO_PATH is not Odoo 19.0: git -C {python_path()} checkout 19.0")


def _download():
    """Download the packages into ``.odoo/debs`` and return the version of Odoo."""
    options = _updated_lists()
    wanted = _newest(options)
    packages = [f"odoo-19={wanted}"]
    packages += [f"{name}/{suite}" for suite, names in LINKED.items() for name in names]
    _download_to(DEBS, packages, options, "Odoo's packages could not be fetched. Try again: ./dev setup.")
    return wanted


def download(packages, folder, problem):
    """Download packages of Debian into a folder, verified as Odoo's are.

    :param packages: names, each with its release or version: ``nginx/bookworm``
    :param str problem: sentence for a person, should it fail
    """
    with environment.alone("apt"):
        _download_to(folder, packages, _updated_lists(), problem)


def _updated_lists():
    """Fetch the lists of packages, and return the options with which apt uses them."""
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise Problem(f"{program} is not here to fetch Odoo: export ODOO_PATH=/path/to/a/checkout/of/odoo/19.0")
    if not KEYRING.is_file():
        raise Problem("Debian's archive keys are missing: apt-get install debian-archive-keyring")
    options = _apt_options()
    environment.run(
        ["apt-get", *options, "update"],
        log="apt",
        problem="The package lists could not be fetched; is the network there? Try again: ./dev setup.",
    )
    return options


def _download_to(folder, packages, options, problem):
    folder.mkdir(parents=True, exist_ok=True)
    # A file that is there already is checked against its signed sum and not fetched again.
    environment.run(["apt-get", *options, "download", *packages], cwd=folder, log="apt", problem=problem)


def _apt_options():
    """Options that make apt work in a folder of its own, with the system's mirror and Debian's keys."""
    apt = HOME / "apt"
    for folder in (apt / "lists/partial", apt / "archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(
        "".join(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n" for suite in LINKED)
    )
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache::archives": apt / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",  # the folder may lie where apt's own user cannot go
    }
    return ["-qq", *(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))]


def _mirror():
    """The Debian mirror of this system; security updates live elsewhere and hold no unstable."""
    answer = environment.output_of(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Identifier: Packages"]
    )
    for line in (answer or "").splitlines():
        uri, _, names = line.partition(" ")
        if names == "Debian Debian":
            return uri
    raise Problem(
        "No Debian mirror among this system's package sources (apt-get update may help): "
        "export ODOO_PATH=/path/to/a/checkout/of/odoo/19.0"
    )


def _newest(options):
    listed = environment.output_of(["apt-cache", *options, "madison", "odoo-19"]) or ""
    versions = [line.split("|")[1].strip() for line in listed.splitlines() if "|" in line]
    for found in versions:  # newest first
        if found.startswith("19.0"):
            return found
    raise Problem("The mirror offers no odoo-19 19.0: export ODOO_PATH=/path/to/a/checkout/of/odoo/19.0")


def _unpack():
    shutil.rmtree(UNPACKED, ignore_errors=True)
    UNPACKED.mkdir(parents=True)
    newest = {}
    for package in sorted(DEBS.glob("*.deb"), key=lambda path: path.stat().st_mtime):
        newest[package.name.partition("_")[0]] = package
    for package in newest.values():
        # Translations are two thirds of the size; the tooling works in English.
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as archive:
            excluded = ["--exclude=*/i18n/*", "--exclude=*/i18n_extra/*", "--no-same-owner"]
            done = subprocess.run(["tar", "-x", "-C", UNPACKED, *excluded], stdin=archive.stdout, check=False)
        if done.returncode or archive.returncode:
            package.unlink()
            raise Problem(f"{package.name} could not be unpacked and was removed. Try again: ./dev setup")
    # The package leaves out the file that blurs the background of video calls but still bundles it; its absence is an
    # error in the browser's console, and with it no tour passes.
    stub = python_path() / "odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"
    if not stub.exists():
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("/* not part of the package; only the background of video calls would need it */\n")
