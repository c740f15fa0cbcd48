"""Who sent this, and is it what they sent?"""

import base64
import hashlib
import hmac
import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.signature import (
    ED25519,
    HEADERS,
    HMAC_SHA256,
    SIGNATURE_REASONS,
    WINDOW,
    Key,
    Request,
    canonical,
    new_nonce,
    sign,
    verify,
)

calm = settings(deadline=None)

NOW = 1_767_614_400
NONCE = "c29tZS1jaGFuY2Ux"
SECRET = bytes(range(32))
REQUEST = Request("POST", "/machine/v1/events?x=1", b'[{"a": 1}]', "production", "5f1c2a52-0c7e-11f0-8de9-0242ac120002")


def pairs():
    """For each algorithm the key that signs, the one that verifies, and one that is neither."""
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public, wrong = (key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for key in (private, other))
    return {
        HMAC_SHA256: (Key("agent-1", SECRET), Key("agent-1", SECRET), Key("agent-1", b"x" * 32)),
        ED25519: tuple(Key("agent-1", material, ED25519) for material in (raw, public, wrong)),
    }


PAIRS = pairs()


@pytest.fixture(params=PAIRS)
def keys(request):
    return PAIRS[request.param]


def judged(keys, headers, request=REQUEST, seconds=NOW, **options):
    return verify(keys[1], request, headers, seconds, **options)


# ------------------------------------------------------------------------------------------- right, missing, wrong


def test_a_right_signature_is_believed(keys):
    assert judged(keys, sign(keys[0], REQUEST, NOW, NONCE)) == ""


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_missing(keys, name):
    headers = sign(keys[0], REQUEST, NOW, NONCE)
    del headers[name]

    assert judged(keys, headers) == "header_missing"
    assert judged(keys, {**headers, name: ""}) == "header_missing"


#: Each header: what is wrong about it, and what is said then.
WRONG = {
    "X-Machine-Key": ("agent-2", "key_other"),
    "X-Machine-Time": (str(NOW + 1), "signature_wrong"),
    "X-Machine-Nonce": (NONCE[::-1], "signature_wrong"),
    "X-Machine-Signature": (base64.b64encode(bytes(32)).decode(), "signature_wrong"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_in_threes_right_missing_wrong(keys, name):
    right = sign(keys[0], REQUEST, NOW, NONCE)
    missing = {header: value for header, value in right.items() if header != name}
    value, reason = WRONG[name]

    assert judged(keys, right) == ""
    assert judged(keys, missing) == "header_missing"
    assert judged(keys, {**right, name: value}) == reason


def test_a_signature_by_another_key_is_wrong(keys):
    assert verify(keys[2], REQUEST, sign(keys[0], REQUEST, NOW, NONCE), NOW) == "signature_wrong"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": "/machine/v1/events?x=2"},
        {"target": "/machine/v1/events"},
        {"body": b'[{"a": 2}]'},
        {"body": b""},
        {"environment": "test"},
        {"database": "5f1c2a52-0c7e-11f0-8de9-0242ac120003"},
    ],
    ids=str,
)
def test_a_signature_of_another_request_is_wrong(keys, change):
    assert judged(keys, sign(keys[0], REQUEST, NOW, NONCE), replace(REQUEST, **change)) == "signature_wrong"


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-Machine-Time", str(NOW + 1)), ("X-Machine-Nonce", NONCE[::-1]), ("X-Machine-Signature", "AAAA")],
)
def test_a_header_that_was_changed_is_wrong(keys, name, value):
    assert judged(keys, {**sign(keys[0], REQUEST, NOW, NONCE), name: value}) == "signature_wrong"


def test_a_signature_cut_short_or_drawn_out_is_wrong(keys):
    headers = sign(keys[0], REQUEST, NOW, NONCE)
    signature = base64.b64decode(headers["X-Machine-Signature"])
    for changed in (signature[:-1], signature[:1], signature + b"\0", bytes(len(signature))):
        encoded = base64.b64encode(changed).decode()
        assert judged(keys, {**headers, "X-Machine-Signature": encoded}) == "signature_wrong"


def test_another_keys_name_is_told_apart(keys):
    assert judged(keys, {**sign(keys[0], REQUEST, NOW, NONCE), "X-Machine-Key": "agent-2"}) == "key_other"


# ------------------------------------------------------------------------------------------------------------- form


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Machine-Key", "agent 1"),
        ("X-Machine-Key", "a" * 65),
        ("X-Machine-Key", "agent-1\nx"),
        ("X-Machine-Time", "now"),
        ("X-Machine-Time", "-1"),
        ("X-Machine-Time", "1e9"),
        ("X-Machine-Time", "١٢٣"),
        ("X-Machine-Time", "9" * 13),
        ("X-Machine-Nonce", "short"),
        ("X-Machine-Nonce", "x" * 65),
        ("X-Machine-Nonce", NONCE + "\n"),
        ("X-Machine-Signature", "not base64!"),
        ("X-Machine-Signature", "Ä"),
        ("X-Machine-Signature", "A"),
    ],
)
def test_a_header_that_is_not_of_its_form(keys, name, value):
    assert judged(keys, {**sign(keys[0], REQUEST, NOW, NONCE), name: value}) == "header_malformed"


def test_a_target_with_a_control_character_is_not_signed_and_not_believed(keys):
    broken = replace(REQUEST, target="/machine/v1/events\nx")

    with pytest.raises(ValueError):
        sign(keys[0], broken, NOW, NONCE)
    assert judged(keys, sign(keys[0], REQUEST, NOW, NONCE), broken) == "header_malformed"


@pytest.mark.parametrize("offset", [-WINDOW, 0, WINDOW])
def test_a_time_within_the_window_is_fresh(keys, offset):
    assert judged(keys, sign(keys[0], REQUEST, NOW + offset, NONCE)) == ""


@pytest.mark.parametrize("offset", [-WINDOW - 1, WINDOW + 1])
def test_a_time_outside_the_window_is_not_fresh(keys, offset):
    headers = sign(keys[0], REQUEST, NOW + offset, NONCE)

    assert judged(keys, headers) == "time_outside"
    assert judged(keys, headers, window=WINDOW + 1) == ""
    assert verify(keys[2], REQUEST, headers, NOW) == "signature_wrong"


def test_every_reason_is_in_the_table():
    given_above = {"header_missing", "header_malformed", "key_other", "time_outside", "signature_wrong"}

    assert SIGNATURE_REASONS.keys() == given_above


# -------------------------------------------------------------------------------------------------- what is signed


def test_the_text_that_is_signed_is_settled():
    """A change here shuts out every sender there is."""
    text = (
        b"v1\nPOST\n/machine/v1/events?x=1\n"
        + hashlib.sha256(b'[{"a": 1}]').hexdigest().encode()
        + b"\nagent-1\n1767614400\nc29tZS1jaGFuY2Ux\nproduction\n5f1c2a52-0c7e-11f0-8de9-0242ac120002"
    )
    expected = base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()

    assert canonical(REQUEST, "agent-1", str(NOW), NONCE) == text
    assert sign(Key("agent-1", SECRET), REQUEST, NOW, NONCE) == {
        "X-Machine-Key": "agent-1",
        "X-Machine-Time": "1767614400",
        "X-Machine-Nonce": NONCE,
        "X-Machine-Signature": expected,
    }


def test_hmac_is_that_of_openssl(tmp_path):
    text = canonical(REQUEST, "agent-1", str(NOW), NONCE)
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{SECRET.hex()}", "-binary"]
    try:
        done = subprocess.run(command, input=text, capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")

    headers = sign(Key("agent-1", SECRET), REQUEST, NOW, NONCE)
    assert headers["X-Machine-Signature"] == base64.b64encode(done.stdout).decode()


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
requests = st.builds(Request, st.sampled_from(["GET", "POST"]), words, st.binary(max_size=8), words, words)


@calm
@given(requests, requests)
def test_two_requests_are_never_one_text(one, other):
    same = canonical(one, "a", "1", NONCE) == canonical(other, "a", "1", NONCE)

    assert same == (one == other)


def test_nonces_are_of_their_form_and_differ():
    nonces = {new_nonce() for _time in range(1_000)}
    key = PAIRS[HMAC_SHA256]

    assert len(nonces) == 1_000
    assert all(judged(key, sign(key[0], REQUEST, NOW, nonce)) == "" for nonce in list(nonces)[:50])


# ------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("name", "material", "algorithm"),
    [
        ("agent-1", b"x" * 31, HMAC_SHA256),
        ("agent-1", b"", HMAC_SHA256),
        ("agent-1", b"x" * 31, ED25519),
        ("agent-1", b"x" * 33, ED25519),
        ("agent-1", SECRET, "md5"),
        ("", SECRET, HMAC_SHA256),
        ("agent\n1", SECRET, HMAC_SHA256),
    ],
)
def test_what_cannot_be_a_key(name, material, algorithm):
    with pytest.raises(ValueError):
        Key(name, material, algorithm)


def test_a_secret_is_never_shown(keys):
    for key in keys:
        assert repr(key.material) not in repr(key)
        assert key.material.hex() not in repr(key)


def test_the_library_of_ed25519_is_needed_for_nothing_else():
    program = """
import sys
sys.modules["cryptography"] = None
from machine_connect.errors import DriverUnavailable
from machine_connect.signature import ED25519, Key, Request, sign
request = Request("POST", "/", b"", "test", "x")
sign(Key("a", bytes(32)), request, 0, "x" * 16)
try:
    sign(Key("a", bytes(32), ED25519), request, 0, "x" * 16)
except DriverUnavailable as error:
    print(error.library)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("cryptography\n", "")
