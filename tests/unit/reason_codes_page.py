"""The tables of docs/reference/reason-codes.md, made of the code: ``python -m tests.unit.reason_codes_page`` writes them anew."""

import ast
from functools import cache

from devtools.environment import ADDONS, ROOT
from machine_connect.event import HELD_REASONS
from machine_connect.openapi import PROBLEM_CODES
from machine_connect.refusals import EVENT_REFUSALS, REQUEST_REFUSALS
from machine_connect.signature import SIGNATURE_REASONS
from tests.unit import envelope_page

PAGE = ROOT / "docs" / "reference" / "reason-codes.md"
MODELS = ADDONS / "mrp_machine_connect" / "models"
#: A key is looked up by its name, so a signature never names another one.
NEVER = {"key_other"}


@cache
def words():
    """Return the sentence for people of each reason, as the models have it: read from their text, as they need Odoo to run."""
    found = {}
    for path in sorted(MODELS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "_reason_words":
                for table in (item for item in ast.walk(node) if isinstance(item, ast.Dict)):
                    found |= {
                        key.value: value.args[0].value
                        for key, value in zip(table.keys, table.values, strict=True)
                        if key
                    }
    return found


def constant(file, name):
    """Return a constant of a model's file."""
    for node in ast.parse((MODELS / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise LookupError(f"{file} has no {name}")


def let_in():
    reasons = [*SIGNATURE_REASONS, *constant("mrp_machine_door.py", "DOOR_REASONS")]
    for code in (code for code in reasons if code not in NEVER):
        yield code, f"`{code}`" if code in PROBLEM_CODES else "`unauthorized`", words()[code]


def requests():
    for code, (status, _english) in REQUEST_REFUSALS.items():
        yield code, str(status), words()[code]


def events():
    for code in [*EVENT_REFUSALS, *constant("mrp_machine_intake.py", "RIGHT_REASONS")]:
        yield code, words()[code]


def held():
    yield from HELD_REASONS.items()


def table(heads, rows):
    return [
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(f"| `{code}` | {' | '.join(cells)} |" for code, *cells in rows),
    ]


MADE = {
    "let in": lambda: table(("reason", "what the sender is told", "words"), let_in()),
    "requests": lambda: table(("code", "status", "words"), requests()),
    "events": lambda: table(("reason", "words"), events()),
    "held": lambda: table(("reason", "words"), held()),
}


def renewed(page):
    """Return the page with each made part as it is today."""
    return envelope_page.renewed(page, MADE)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
