"""Who sent this, and is it what they sent? A signature over the whole request, in four headers beside it.

Signed is one text, version 1: method, path with query, digest of the body as sent, key, time, nonce, and the environment
and database that it is meant for, one a line. By HMAC-SHA256 (RFC 2104) or Ed25519 (RFC 8032). Whoever is refused is not told
why: the reason is for the log of whoever refuses.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property

from .errors import DriverUnavailable

KEY_HEADER, TIME_HEADER = "X-Machine-Key", "X-Machine-Time"
NONCE_HEADER, SIGNATURE_HEADER = "X-Machine-Nonce", "X-Machine-Signature"
HEADERS = (KEY_HEADER, TIME_HEADER, NONCE_HEADER, SIGNATURE_HEADER)

HMAC_SHA256, ED25519 = "hmac-sha256", "ed25519"
ALGORITHMS = (HMAC_SHA256, ED25519)
#: No signature at all: a key that is sent along, for devices that cannot sign. Whoever listens can use it (RFC 6750).
BEARER = "bearer"
BEARER_HEADER = "Authorization"
#: Bytes of an HMAC secret at least, and of an Ed25519 key exactly.
KEY_BYTES = 32
#: Seconds that the time of a request may differ from ours.
WINDOW = 300

#: Why a request is not believed, with what it says in English for logs.
SIGNATURE_REASONS = {
    "header_missing": "a header of the signature is missing",
    "header_malformed": "a header of the signature is not of its form",
    "key_other": "it is signed with another key than the one looked up",
    "time_outside": "its time differs too much from ours",
    "signature_wrong": "the signature does not fit key and content",
}

#: The id of a key.
KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TIME = re.compile(r"[0-9]{1,12}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9._-]{1,64})\.([A-Za-z0-9_-]{43,128})")
_FORMS = {KEY_HEADER: KEY_NAME, TIME_HEADER: _TIME, NONCE_HEADER: _NONCE}


@dataclass(frozen=True)
class Key:
    """A key and how it is used.

    :param str name: the key's id, as it is sent: letters, digits, ``.``, ``_``, ``-``, up to 64
    :param bytes material: of HMAC the shared secret, :data:`KEY_BYTES` or more; of Ed25519 raw the private key to sign,
        the public key to verify, :data:`KEY_BYTES` each. Never shown
    :param str algorithm: of :data:`ALGORITHMS`
    :raise ValueError: it cannot be such a key
    """

    name: str
    material: bytes = field(repr=False)
    algorithm: str = HMAC_SHA256

    def __post_init__(self):
        if not KEY_NAME.fullmatch(self.name):
            raise ValueError("the id of a key is 1 to 64 letters, digits, dots, underscores and dashes")
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"there is no algorithm {self.algorithm}")
        length = len(self.material)
        if length < KEY_BYTES or (self.algorithm == ED25519 and length != KEY_BYTES):
            raise ValueError(f"a key of {self.algorithm} does not have {length} bytes")


@dataclass(frozen=True)
class Request:
    """What is signed of a request.

    :param str method: ``POST``
    :param str target: path and query as sent (RFC 9112, 3.2.1, origin form): ``/machine/v1/trace?source=a&id=b``
    :param bytes body: as sent, packed if it is sent packed; empty where there is none
    :param str environment: what it is meant for, ``production`` or ``test``
    :param str database: the ``database.uuid`` that it is meant for
    """

    method: str
    target: str
    body: bytes = field(repr=False)
    environment: str
    database: str

    @cached_property
    def digest(self):
        """SHA-256 of the body, in hex."""
        return hashlib.sha256(self.body).hexdigest()


def new_nonce():
    """Return a nonce that was never used before: 128 bits of chance."""
    return secrets.token_urlsafe(16)


def new_token():
    """Return the secret of a bearer key: 256 bits of chance."""
    return secrets.token_urlsafe(KEY_BYTES)


def token_digest(secret):
    """Return what is stored of a bearer key's secret: nobody comes from it to the secret, which is too long to be guessed."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def bearer(header):
    """Return the id and the secret of a bearer key, or None.

    :param header: the header ``Authorization``, or None: ``Bearer <id>.<secret>``
    """
    found = _BEARER.fullmatch(header or "")
    return found and found.groups()


def is_bearer(digest, secret):
    """Return whether a secret is the one of which a digest was stored."""
    return hmac.compare_digest(digest.encode(), token_digest(secret).encode())


def canonical(request, key_name, time, nonce):
    """Return the bytes that are signed.

    :param Request request: the request
    :param str key_name: the key's id
    :param str time: seconds since 1970-01-01 UTC, in decimal digits
    :param str nonce: 16 to 64 letters, digits, underscores and dashes
    :raise ValueError: a part of it holds a control character: two different requests could then be one text
    """
    target, environment, database = request.target, request.environment, request.database
    parts = ("v1", request.method.upper(), target, request.digest, key_name, time, nonce, environment, database)
    if not all(part.isprintable() for part in parts):
        raise ValueError("a part of what is signed holds a control character")
    return "\n".join(parts).encode()


def sign(key, request, seconds, nonce):
    """Return the headers that prove a request.

    :param Key key: of Ed25519 the private one
    :param Request request: the request
    :param int seconds: now, since 1970-01-01 UTC
    :param str nonce: of :func:`new_nonce`; the same again only for the same body
    :raise DriverUnavailable: Ed25519 without the library ``cryptography``
    """
    time = str(int(seconds))
    text = canonical(request, key.name, time, nonce)
    if key.algorithm == ED25519:
        signature = _ed25519().Ed25519PrivateKey.from_private_bytes(key.material).sign(text)
    else:
        signature = hmac.digest(key.material, text, "sha256")
    encoded = base64.b64encode(signature).decode("ascii")
    return {KEY_HEADER: key.name, TIME_HEADER: time, NONCE_HEADER: nonce, SIGNATURE_HEADER: encoded}


def verify(key, request, headers, seconds, window=WINDOW):
    """Return why a request is not believed, of :data:`SIGNATURE_REASONS`; empty when it is.

    That the nonce was not used for another body is for the caller to see to: it takes a memory.

    :param Key key: the one that the header names; of Ed25519 the public one
    :param Request request: as it came
    :param headers: with a ``get`` that knows no case, as those of Werkzeug and of ``http.server``
    :param int seconds: now, since 1970-01-01 UTC
    :param int window: seconds that its time may differ
    :raise DriverUnavailable: Ed25519 without the library ``cryptography``
    """
    values = {name: headers.get(name) for name in HEADERS}
    if not all(values.values()):
        return "header_missing"
    if not all(form.fullmatch(values[name]) for name, form in _FORMS.items()):
        return "header_malformed"
    if values[KEY_HEADER] != key.name:
        return "key_other"
    try:
        signature = base64.b64decode(values[SIGNATURE_HEADER], validate=True)
        text = canonical(request, key.name, values[TIME_HEADER], values[NONCE_HEADER])
    except (binascii.Error, ValueError):
        return "header_malformed"
    # First the signature: who cannot sign learns nothing about our clock.
    if not _is_signed(key, text, signature):
        return "signature_wrong"
    if abs(seconds - int(values[TIME_HEADER])) > window:
        return "time_outside"
    return ""


def _is_signed(key, text, signature):
    if key.algorithm == HMAC_SHA256:
        return hmac.compare_digest(hmac.digest(key.material, text, "sha256"), signature)
    public = _ed25519().Ed25519PublicKey.from_public_bytes(key.material)
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _ed25519():
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise DriverUnavailable("cryptography", "cryptography") from None
    return ed25519
