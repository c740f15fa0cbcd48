"""Is our certificate made, kept and shown as it must be, and is the server's looked at?"""

import os
import shutil
import stat
import threading
from datetime import timedelta
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from machine_connect import clock
from machine_connect.drivers import opcua_security
from machine_connect.drivers.opcua_security import certificate_facts, ensure_certificate, server_certificate
from machine_connect.errors import ConnectionFailed

URI = "urn:odoo:machine-connect:test"


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


# Making and keeping


@pytest.fixture
def open_umask():
    """The least careful umask: whatever is closed afterwards was closed by us."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_certificate_is_made_with_a_key_that_is_ours_alone(tmp_path, open_umask):
    certificate, key = ensure_certificate(tmp_path / "opcua", URI, days=400)

    assert (mode(key), mode(tmp_path / "opcua")) == (0o600, 0o700)
    assert sorted(path.name for path in (tmp_path / "opcua").iterdir()) == ["certificate.der", "key.pem"]
    private = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    made = x509.load_der_x509_certificate(Path(certificate).read_bytes())
    assert private.key_size >= 2048
    assert private.public_key() == made.public_key()


def test_the_key_is_never_readable_by_others_not_even_while_it_is_written(tmp_path, open_umask, monkeypatch):
    seen, real = [], os.open

    def watch(path, flags, *args, **kwargs):
        descriptor = real(path, flags, *args, **kwargs)
        if flags & os.O_CREAT and "key" in Path(path).name:
            seen.append((mode(path), bool(flags & os.O_EXCL)))
        return descriptor

    monkeypatch.setattr(os, "open", watch)
    ensure_certificate(tmp_path, URI)

    assert seen == [(0o600, True)]


def test_the_certificate_is_one_that_servers_take(pair):
    made = x509.load_der_x509_certificate(pair[0].read_bytes())
    extension = made.extensions.get_extension_for_class

    assert extension(x509.SubjectAlternativeName).value.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    usage = extension(x509.KeyUsage).value
    assert usage.digital_signature and usage.content_commitment and usage.key_encipherment and usage.data_encipherment
    assert extension(x509.ExtendedKeyUsage).value == x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
    assert extension(x509.BasicConstraints).value.ca is False
    assert made.signature_hash_algorithm.name == "sha256"
    assert made.not_valid_before_utc < clock.now() - timedelta(hours=12), "for servers whose clock is behind"
    assert timedelta(days=399) < made.not_valid_after_utc - clock.now() < timedelta(days=401)


def test_what_is_there_is_kept(pair, tmp_path):
    before = [path.read_bytes() for path in pair]

    assert ensure_certificate(tmp_path, URI) == tuple(map(str, pair))
    assert [path.read_bytes() for path in pair] == before


def test_renewing_makes_a_certificate_for_the_same_key(pair, tmp_path):
    certificate, key = pair
    old, kept = certificate.read_bytes(), key.read_bytes()

    ensure_certificate(tmp_path, URI, days=700, renew=True)

    assert certificate.read_bytes() != old
    assert key.read_bytes() == kept
    assert certificate_facts(certificate)["days_left"] > 690


def test_a_certificate_that_was_lost_is_made_again_for_its_key(pair, tmp_path):
    certificate, key = pair
    kept = key.read_bytes()
    certificate.unlink()

    ensure_certificate(tmp_path, URI)

    assert certificate.exists()
    assert key.read_bytes() == kept


def test_a_certificate_without_its_key_is_not_replaced(pair, tmp_path):
    certificate, key = pair
    key.unlink()
    before = certificate.read_bytes()

    with pytest.raises(ConnectionFailed) as failure:
        ensure_certificate(tmp_path, URI)

    assert (failure.value.code, failure.value.field) == ("certificate_invalid", "key_path")
    assert certificate.read_bytes() == before


def test_many_who_ask_at_once_get_one_certificate(tmp_path):
    together = threading.Barrier(6)

    def ask(_number):
        together.wait()
        ensure_certificate(tmp_path, URI)
        return certificate_facts(tmp_path / "certificate.der")["fingerprint"]

    with ThreadPool(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1

    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificate.der", "key.pem"]
    _certificate, _key, uri = opcua_security.own_certificate(settings_of(tmp_path))
    assert uri == URI


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(ConnectionFailed) as failure:
        ensure_certificate(tmp_path / "file" / "opcua", URI)

    assert failure.value.code == "certificate_invalid"


@pytest.mark.parametrize("days", [0, -1, 5000])
def test_a_certificate_lasts_a_sensible_time(tmp_path, days):
    with pytest.raises(ValueError, match="days"):
        ensure_certificate(tmp_path, URI, days=days)


def test_no_certificate_without_a_uri(tmp_path):
    with pytest.raises(ConnectionFailed) as failure:
        ensure_certificate(tmp_path, "")

    assert (failure.value.code, failure.value.field) == ("certificate_invalid", "application_uri")


def test_facts_of_a_certificate_are_for_people(pair):
    facts = certificate_facts(pair[0])

    assert facts["application_uri"] == URI
    assert "Machine Connect" in facts["subject"]
    assert facts["not_after"] == (clock.now() + timedelta(days=400)).date().isoformat()
    assert len(facts["fingerprint"]) == 95
    assert facts["days_left"] in (399, 400)


def test_facts_of_what_is_no_certificate(tmp_path):
    (tmp_path / "x.der").write_bytes(b"nonsense")

    with pytest.raises(OSError, match="nowhere"):
        certificate_facts(tmp_path / "nowhere.der")
    with pytest.raises(ConnectionFailed) as failure:
        certificate_facts(tmp_path / "x.der")

    assert failure.value.code == "certificate_invalid"


# Our own certificate, before anything is sent


class _Settings:
    secured, application_uri = True, URI


def settings_of(directory, **changes):
    made = _Settings()
    made.certificate_path, made.key_path = str(directory / "certificate.der"), str(directory / "key.pem")
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def pem(key, password=None):
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


@pytest.mark.parametrize(
    ("spoil", "code", "field"),
    [
        (lambda d: (d / "certificate.der").write_bytes(b"x"), "certificate_invalid", "certificate_path"),
        (lambda d: (d / "key.pem").write_bytes(b"x"), "certificate_invalid", "key_path"),
        (lambda d: (d / "key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----"), "certificate_invalid", "key_path"),
        (
            lambda d: (d / "key.pem").write_bytes(pem(rsa.generate_private_key(65537, 2048))),
            "certificate_invalid",
            "key_path",
        ),
        (
            lambda d: (d / "key.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1()))),
            "certificate_invalid",
            "key_path",
        ),
        (
            lambda d: (d / "key.pem").write_bytes(pem(rsa.generate_private_key(65537, 2048), b"secret")),
            "certificate_invalid",
            "key_path",
        ),
    ],
)
def test_a_pair_that_cannot_be_used_is_named(pair, tmp_path, spoil, code, field):
    spoil(tmp_path)

    with pytest.raises(ConnectionFailed) as failure:
        opcua_security.own_certificate(settings_of(tmp_path))

    assert (failure.value.code, failure.value.field) == (code, field)
    assert failure.value.params["detail"]


def test_a_certificate_of_another_uri_is_told_before_the_server_refuses_it(pair, tmp_path):
    with pytest.raises(ConnectionFailed) as failure:
        opcua_security.own_certificate(settings_of(tmp_path, application_uri="urn:other"))

    assert (failure.value.code, failure.value.field) == ("certificate_invalid", "application_uri")
    assert failure.value.params["value"] == URI


def test_an_expired_certificate_is_told_with_its_dates(pair, tmp_path, monkeypatch):
    later = clock.now() + timedelta(days=402)
    monkeypatch.setattr(clock, "now", lambda: later)

    with pytest.raises(ConnectionFailed) as failure:
        opcua_security.own_certificate(settings_of(tmp_path))

    assert (failure.value.code, failure.value.field) == ("certificate_expired", "certificate_path")
    assert failure.value.params["not_after"]


# The server's certificate


@pytest.fixture(scope="module")
def server_pair(tmp_path_factory):
    return ensure_certificate(tmp_path_factory.mktemp("server"), "urn:plant:server")


@pytest.fixture(scope="module")
def server_der(server_pair):
    return Path(server_pair[0]).read_bytes()


@pytest.fixture(scope="module")
def pin(server_pair):
    return certificate_facts(server_pair[0])["fingerprint"].replace(":", "")


def test_the_right_certificate_passes_also_with_a_chain_behind_it(server_der, pin):
    assert server_certificate(server_der, pin, True) == server_der
    assert server_certificate(server_der + server_der, pin, True) == server_der
    assert server_certificate(server_der, "", True) == server_der


@pytest.mark.parametrize(
    ("content", "expected", "secured", "code"),
    [
        ("right", "0" * 64, True, "certificate_untrusted"),
        ("right", "0" * 64, False, "certificate_untrusted"),
        (None, "0" * 64, False, "certificate_untrusted"),
        (None, "", True, "certificate_invalid"),
        (b"nonsense", "", True, "certificate_invalid"),
        (b"\x30\x82\x00", "", True, "certificate_invalid"),
        (b"nonsense", "0" * 64, False, "certificate_invalid"),
    ],
)
def test_another_certificate_is_refused(server_der, content, expected, secured, code):
    with pytest.raises(ConnectionFailed) as failure:
        server_certificate(server_der if content == "right" else content, expected, secured)

    assert failure.value.code == code


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_without_security_a_server_may_have_none(content):
    assert server_certificate(content, "", False) == b""


def test_an_expired_server_certificate_is_refused_unless_it_is_the_one(server_der, pin, monkeypatch):
    later = clock.now() + timedelta(days=3000)
    monkeypatch.setattr(clock, "now", lambda: later)

    with pytest.raises(ConnectionFailed) as failure:
        server_certificate(server_der, "", True)
    assert (failure.value.code, failure.value.params["side"]) == ("certificate_expired", "server")
    assert server_certificate(server_der, pin, True) == server_der
