"""Is what a client has still what there is? Strong entity tags (RFC 9110, 8.8.3) of JSON documents, and If-None-Match (13.1.2)."""

import hashlib
import json
import re

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def canonical_json(value):
    """Return a value as JSON that is the same for the same value: keys sorted, no spaces, in UTF-8.

    :raise ValueError: it holds a number that is not finite
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def entity_tag(content):
    """Return the strong tag of some bytes: the sha256 of them in quotation marks."""
    return f'"{hashlib.sha256(content).hexdigest()}"'


def is_known(if_none_match, tag):
    """Return whether a client has what the tag stands for, so that 304 is the answer.

    Compared weakly, as If-None-Match is: a proxy that packs an answer makes its tag weak.

    :param if_none_match: the header, or None
    :param str tag: of :func:`entity_tag`

    >>> is_known('"a", W/"b"', '"b"'), is_known("*", '"b"'), is_known(None, '"b"')
    (True, True, False)
    """
    header = (if_none_match or "").strip()
    if header == "*":
        return True
    return any(found.removeprefix("W/") == tag for found in _TAG.findall(header))
