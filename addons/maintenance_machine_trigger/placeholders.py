"""What do people write into the text of a request where the machine's own words belong? Names in braces, and nothing else.

A name is looked up and never evaluated: no attribute, no format, no code. What is not known stays as it was written.
"""

import re

#: The names that a text may hold.
NAMES = (
    "machine", "equipment", "code", "text", "severity", "level", "value", "limit", "unit", "signal", "occurred", "order",
    "values",
)  # fmt: skip
_NAME = re.compile(r"\{([^{}]*)\}")


def unknown(text):
    """Return what stands in braces in a text and is no name that can be filled in.

    >>> unknown("{machine} is at {value} {__class__} {0}")
    ['__class__', '0']
    """
    return [name for name in _NAME.findall(text or "") if name.strip() not in NAMES]


def fill(text, values):
    """Return a text with the values of its names; a name without a value becomes nothing.

    >>> fill("{machine}: {value} {unit} {other}", {"machine": "Press {code}", "value": 7})
    'Press {code}: 7  {other}'
    """

    def said(found):
        name = found[1].strip()
        if name not in NAMES:
            return found[0]
        value = values.get(name)
        return "" if value is None or value is False else str(value)

    return _NAME.sub(said, text or "")
