"""Is a server read over a secured line, and does each wrong certificate, user or password say what is wrong?"""

import shutil
import stat
import threading
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.drivers.opcua_security import certificate_facts, ensure_certificate
from machine_connect.errors import CODES, ConnectionFailed
from tests.unit.opcua_server import POLICIES, OpcUaServer

Driver = driver_class("opcua")
LINE = "urn:plant:line"
URI = "urn:odoo:machine-connect:test"
PASSWORD = "correct horse battery staple"
SECURED = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


@pytest.fixture(scope="module")
def made_pair(tmp_path_factory):
    """A certificate and key, made once: a key takes a while."""
    return ensure_certificate(tmp_path_factory.mktemp("made"), URI, days=400)


@pytest.fixture
def pair(made_pair, tmp_path):
    """A copy of them for one test."""
    for path in made_pair:
        shutil.copy(path, tmp_path)
    return tmp_path / "certificate.der", tmp_path / "key.pem"


@pytest.fixture(scope="module")
def server_pair(tmp_path_factory):
    return ensure_certificate(tmp_path_factory.mktemp("server"), "urn:plant:server")


@pytest.fixture(scope="module")
def pin(server_pair):
    return certificate_facts(server_pair[0])["fingerprint"].replace(":", "")


async def prepare(server):
    await server.add(LINE, "Good", 48_211, ua.VariantType.UInt32)


@pytest.fixture(scope="module")
def secured(loop, server_pair):
    policies = [
        POLICIES.Basic256Sha256_Sign, POLICIES.Basic256Sha256_SignAndEncrypt,
        POLICIES.Aes128Sha256RsaOaep_Sign, POLICIES.Aes128Sha256RsaOaep_SignAndEncrypt,
        POLICIES.Aes256Sha256RsaPss_Sign, POLICIES.Aes256Sha256RsaPss_SignAndEncrypt,
    ]  # fmt: skip
    users = {"": None, "operator": PASSWORD}
    with OpcUaServer(loop, users=users, policies=policies, certificate=server_pair, prepare=prepare) as running:
        yield running


@pytest.fixture(scope="module")
def open_server(loop):
    """Without any security, but with users: such are found in plants."""
    tokens = [ua.UserNameIdentityToken]
    with OpcUaServer(loop, users={"operator": PASSWORD}, tokens=tokens, prepare=prepare) as running:
        yield running


@pytest.fixture
def options(secured, pair, tmp_path):
    return {
        **secured.options,
        "security_policy": "Basic256Sha256",
        "certificate_path": str(tmp_path / "certificate.der"),
        "key_path": str(tmp_path / "key.pem"),
        "application_uri": URI,
    }


def good(driver):
    return driver.read([SignalAddress("good", f"nsu={LINE};s=Good")])[0].value


def failure_of(options, password=None):
    """Open, expect that it fails, and return the failure after a look that nothing is left over."""
    threads = set(threading.enumerate())
    driver = Driver(options, {"password": password} if password else None)
    with pytest.raises(ConnectionFailed) as failure:
        driver.open()
    driver.close()
    assert set(threading.enumerate()) <= threads
    assert failure.value.code in CODES
    assert password is None or password not in f"{failure.value!r}{failure.value.params}"
    return failure.value


@pytest.mark.parametrize("policy", SECURED)
@pytest.mark.parametrize("security_mode", ["sign", "sign_and_encrypt"])
def test_every_policy_reads(secured, options, policy, security_mode, tmp_path):
    with Driver({**options, "security_policy": policy, "security_mode": security_mode}) as driver:
        assert good(driver) == 48_211
        facts = driver.describe()

    assert facts["own_certificate_fingerprint"] == certificate_facts(tmp_path / "certificate.der")["fingerprint"]
    assert facts["own_certificate_not_after"]
    assert facts["key_readable_by_others"] is False
    assert f"{policy} Sign" in facts["endpoints"]


def test_the_certificate_is_made_when_it_is_needed(secured, options, tmp_path):
    directory = tmp_path / "new"
    paths = {"certificate_path": str(directory / "ours.pem"), "key_path": str(directory / "ours.key")}

    with Driver({**options, **paths}) as driver:
        assert good(driver) == 48_211

    assert (mode(directory), mode(directory / "ours.key")) == (0o700, 0o600)
    assert (directory / "ours.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_the_name_in_the_certificate_is_the_one_we_say(secured, options):
    with Driver({**options, "application_uri": ""}) as driver:
        assert good(driver) == 48_211


def test_a_pinned_server_is_read_and_another_is_not(secured, options, pin):
    with Driver({**options, "server_certificate_fingerprint": pin}) as driver:
        assert good(driver) == 48_211
        shown = driver.describe()["server_certificate_fingerprint"]
    assert shown.replace(":", "") == pin

    failure = failure_of({**options, "server_certificate_fingerprint": "0" * 64})

    assert (failure.code, failure.field) == ("certificate_untrusted", "server_certificate_fingerprint")
    assert failure.params["fingerprint"].replace(":", "") == pin


def test_security_that_is_not_offered_is_named_with_what_is(secured, options, open_server):
    failure = failure_of({**options, "url": open_server.url})
    assert (failure.code, failure.field) == ("security_unsupported", "security_policy")
    assert failure.params["offered"] == "None"

    failure = failure_of({"url": secured.url, "timeout": 2})
    assert (failure.code, failure.field) == ("security_unsupported", "security_policy")
    assert set(failure.params["offered"].split(", ")) == {
        f"{policy} {mode}" for policy in SECURED for mode in ("Sign", "SignAndEncrypt")
    }


def test_user_and_password_over_a_secured_line(secured, options):
    with Driver({**options, "user": "operator"}, {"password": PASSWORD}) as driver:
        assert good(driver) == 48_211


@pytest.mark.parametrize(("user", "password"), [("operator", "not this one"), ("nobody", PASSWORD), ("operator", None)])
def test_a_wrong_user_or_password_is_told(secured, options, user, password):
    failure = failure_of({**options, "user": user}, password)

    assert (failure.code, failure.field) == ("password_wrong", "password")
    assert secured.sessions() == 0


def test_a_password_is_not_sent_where_anybody_could_read_it(open_server):
    options = {**open_server.options, "user": "operator"}
    open_server.forget_requests()

    failure = failure_of(options, PASSWORD)

    assert (failure.code, failure.field) == ("password_unprotected", "allow_plain_password")
    assert "ActivateSession" not in open_server.requests()
    assert not [chunk for chunk in open_server.line.questions if PASSWORD.encode() in chunk]
    assert open_server.sessions() == 0


def test_a_password_is_sent_in_clear_if_somebody_takes_that_upon_himself(open_server):
    with Driver(
        {**open_server.options, "user": "operator", "allow_plain_password": True}, {"password": PASSWORD}
    ) as driver:
        assert good(driver) == 48_211


def test_a_signed_line_hides_no_password_but_the_token_may(secured, options):
    """On a signed line the password is locked by the server's key."""
    secured.forget_requests()
    with Driver({**options, "security_mode": "sign", "user": "operator"}, {"password": PASSWORD}) as driver:
        assert good(driver) == 48_211

    assert not [chunk for chunk in secured.line.questions if PASSWORD.encode() in chunk]


def test_a_server_that_wants_a_user_says_so(open_server):
    failure = failure_of(open_server.options)

    assert (failure.code, failure.field) == ("anonymous_refused", "user")


def test_a_server_that_does_not_know_us_says_so(secured, options, loop, server_pair, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(server_pair[0], trusted / "another.der")

    async def distrust():
        store = TrustStore([trusted], [])
        await store.load()
        checks = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
        secured.server.set_certificate_validator(CertificateValidator(checks, store).validate)
        return store

    store = loop.run(distrust())
    try:
        failure = failure_of(options)
        assert (failure.code, failure.field) == ("certificate_rejected", "certificate_path")
        assert failure.params["status"] == "BadCertificateUntrusted"

        # What its administrator does then.
        (trusted / "odoo.der").write_bytes((tmp_path / "certificate.der").read_bytes())
        loop.run(store.load())
        with Driver(options) as driver:
            assert good(driver) == 48_211
    finally:
        secured.server.set_certificate_validator(None)


def test_a_file_that_is_no_certificate_is_told_without_a_server(options, tmp_path):
    (tmp_path / "certificate.der").write_bytes(b"nonsense")
    (tmp_path / "key.pem").write_bytes(b"nonsense")

    failure = failure_of({**options, "url": "opc.tcp://127.0.0.1:1"})

    assert (failure.code, failure.field) == ("certificate_invalid", "certificate_path")
