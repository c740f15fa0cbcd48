"""A pytest plugin: what does each of several workers of Odoo's tests have for itself?

pytest-odoo gives each worker a copy of the database and lets all share the files. A test that collects garbage, or counts
files, would find those of another one: here each copy has its files as well, as hard links.
"""

import contextlib
import shutil
from pathlib import Path
from unittest import mock

import pytest_odoo

import odoo


@contextlib.contextmanager
def _own_files(original, database):
    if original == database:
        yield
        return
    files = Path(odoo.tools.config.filestore(original))
    own = files.with_name(database)
    shutil.rmtree(own, ignore_errors=True)
    if files.is_dir():
        shutil.copytree(files, own, copy_function=lambda source, target: Path(target).hardlink_to(source))
    try:
        with mock.patch.object(odoo.tools.config, "filestore", return_value=str(own)):
            yield
    finally:
        shutil.rmtree(own, ignore_errors=True)


pytest_odoo._shared_filestore = _own_files
