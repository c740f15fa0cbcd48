"""Does the page about the machine log name each file that is in it?"""

import re

from devtools.environment import ADDONS, ROOT

PAGE = ROOT / "docs" / "reference" / "machine-log.md"
MODEL = ADDONS / "mrp_machine_connect" / "models" / "mrp_machine_order_log.py"
COLUMNS = MODEL.with_name("mrp_machine_order_log_columns.py")


def test_each_file_of_the_archive_has_its_row():
    written = set(re.findall(r'"(\w+\.(?:csv|html|json))"', MODEL.read_text()))
    described = set(re.findall(r"^\| `([\w.]+)` \|", PAGE.read_text(), re.M))

    assert len(written) > 5
    assert described == written


def test_each_column_that_the_page_names_is_one():
    columns = set(re.findall(r'"([a-z_]+)"', COLUMNS.read_text()))
    named = set(re.findall(r"`([a-z_]+)`", PAGE.read_text())) - {"same"}

    assert named - columns == set()
