"""How is a node named so that the name still holds tomorrow?

By OPC UA Part 6, 5.3.1.10 (NodeId) and 5.3.1.11 (ExpandedNodeId) in their text form. A namespace *index* (``ns=2``) is
given out anew whenever the server starts (Part 4, 7.3), so that the same text may name another node tomorrow; the
namespace *URI* (``nsu=urn:plant``) stays. We take and give URIs only.
"""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass

#: Namespace 0 belongs to the OPC Foundation and never moves (Part 3, 8.2.2); it is left out of the text.
FOUNDATION = "http://opcfoundation.org/UA/"
#: Longest text or byte string that may identify a node (Part 3, 8.2.4).
MAX_IDENTIFIER = 4096

_FORM = re.compile(r"(?:(ns|nsu|svr)=([^;]*);)?([isgb])=(.*)", re.ASCII | re.DOTALL)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_ESCAPED = re.compile(r"%(3B|25)", re.IGNORECASE)


class AddressInvalid(ValueError):
    """The text names no node.

    :param str hint: what is wrong: ``nsu`` (give the namespace as nsu=), ``form``, ``number``, ``guid``, ``base64``,
        ``long``, ``server`` (a node of another server)
    """

    def __init__(self, hint):
        super().__init__(hint)
        self.hint = hint


@dataclass(frozen=True)
class NodeAddress:
    """A node, apart from any session.

    :param str namespace: URI; empty for namespace 0
    :param identifier: int, str, uuid.UUID or bytes, after which the kind (i, s, g, b) is told
    """

    namespace: str
    identifier: int | str | uuid.UUID | bytes

    def __str__(self):
        return address_text(self.namespace, self.identifier)


def parse_address(text):
    """Return the NodeAddress that a text names.

    >>> parse_address("nsu=urn:plant;s=Part;Count")
    NodeAddress(namespace='urn:plant', identifier='Part;Count')
    >>> parse_address("i=2258")
    NodeAddress(namespace='', identifier=2258)

    :raise AddressInvalid: it names none, or names its namespace by an index that will move
    """
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise AddressInvalid("form")
    space, name, kind, identifier = found.groups()
    if space == "svr":
        raise AddressInvalid("server")
    if space == "ns" and name.strip() != "0":
        raise AddressInvalid("nsu")
    namespace = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name.strip()) if space == "nsu" else ""
    if space == "nsu" and not namespace:
        raise AddressInvalid("nsu")
    if namespace == FOUNDATION:
        namespace = ""
    return NodeAddress(namespace, _identifier(kind, identifier))


def _identifier(kind, text):
    if not text:
        raise AddressInvalid("form")
    if kind == "s":
        if len(text) > MAX_IDENTIFIER:
            raise AddressInvalid("long")
        return text
    text = text.strip()
    if kind == "i":
        digits = text.lstrip("0") or "0"
        if not (text.isascii() and text.isdigit()) or len(digits) > 10 or int(digits) > 0xFFFFFFFF:
            raise AddressInvalid("number")
        return int(digits)
    if kind == "g":
        if not _GUID.fullmatch(text):
            raise AddressInvalid("guid")
        return uuid.UUID(text)
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise AddressInvalid("base64") from None
    if not content or len(content) > MAX_IDENTIFIER:
        raise AddressInvalid("long" if content else "base64")
    return content


def address_text(namespace, identifier):
    """Return the text that :func:`parse_address` reads.

    >>> address_text("urn:a;b", 7)
    'nsu=urn:a%3Bb;i=7'
    """
    prefix = ""
    if namespace and namespace != FOUNDATION:
        prefix = "nsu={};".format(namespace.replace("%", "%25").replace(";", "%3B"))
    if isinstance(identifier, int):
        return f"{prefix}i={identifier}"
    if isinstance(identifier, uuid.UUID):
        return f"{prefix}g={identifier}"
    if isinstance(identifier, bytes):
        return f"{prefix}b={base64.b64encode(identifier).decode('ascii')}"
    return f"{prefix}s={identifier}"
