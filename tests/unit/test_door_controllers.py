"""Odoo makes one class of all controllers of the door: a method of the same name in two of them would answer for both."""

import ast
from collections import Counter

from devtools.environment import ADDONS

CONTROLLERS = ADDONS / "mrp_machine_connect" / "controllers"


def test_no_two_controllers_have_a_method_of_the_same_name():
    names = Counter(
        method.name
        for path in CONTROLLERS.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef)
    )

    assert names["_answer"] == 1
    assert [name for name, count in names.items() if count > 1] == []
