"""By what certificate do we introduce ourselves, and is the other side who we think it is?

By OPC UA Part 6, 6.2 (application instance certificates) and Part 4, 6.1.3 (what is checked). A certificate here is
nobody's signature under anything: the administrator of the server looks at it once and lets it in. What counts is
that the key is ours alone, that the URI in it is the one that we say we are, and that somebody sees in time when it
ends.
"""

import functools
import os
import secrets
import socket
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

from .. import clock
from ..errors import ConnectionFailed, DriverUnavailable

CERTIFICATE_NAME = "certificate.der"
KEY_NAME = "key.pem"
#: Bits of the keys that we make; the policies that we offer take 2048 to 4096 (Part 7, 6.6).
KEY_BITS = 2048
#: Days that a certificate lasts, smallest and largest.
DAYS = (1, 3650)
#: A server whose clock is behind refuses a certificate that is not valid yet.
CLOCK_TOLERANCE = timedelta(days=1)
#: Largest file that can be a certificate or a key.
MAX_FILE = 1_000_000


def ensure_certificate(directory, application_uri, days=1825, renew=False):
    """Return the paths of certificate and key in a directory; what is missing there is made.

    Several processes may ask at the same moment: one certificate comes of it.

    :param directory: is made, for its owner alone, if it is missing
    :param str application_uri: who we are, ``urn:…``; it stands in the certificate, and servers compare it
    :param int days: how long a new certificate lasts, 1 to 3650
    :param bool renew: make a new certificate for the key that is there; the server's administrator must trust it anew
    :return: ``(certificate path, key path)`` as text
    :raise ConnectionFailed: certificate_invalid; a file there cannot be used, or none can be written
    """
    directory = Path(directory)
    paths = directory / CERTIFICATE_NAME, directory / KEY_NAME
    ensure_certificate_files(*paths, application_uri, days, renew)
    return tuple(map(str, paths))


def ensure_certificate_files(certificate_path, key_path, application_uri, days=1825, renew=False):
    """As :func:`ensure_certificate`, for files of any name. A certificate without its key is never replaced."""
    certificate_path, key_path = Path(certificate_path), Path(key_path)
    if not DAYS[0] <= days <= DAYS[1]:
        raise ValueError(f"days must lie between {DAYS[0]} and {DAYS[1]}")
    if certificate_path.exists() and key_path.exists() and not renew:
        return
    if certificate_path.exists() and not key_path.exists():
        raise _invalid("key_path", key_path, "the file is missing")
    if not application_uri or ":" not in application_uri:
        raise ConnectionFailed("certificate_invalid", "application_uri", value=application_uri, detail="no URI")
    serialization = _cryptography().serialization
    try:
        for folder in {certificate_path.parent, key_path.parent}:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not key_path.exists():
            key = _cryptography().rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
            _write_once(
                key_path,
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
                0o600,
            )
        # Read back: another process may have been first, and its key is then the one.
        key = _load_key(_read(key_path, "key_path"), key_path)
        content = _make_certificate(key, application_uri, days).public_bytes(_encoding(certificate_path, serialization))
        _write_once(certificate_path, content, 0o644, replace=renew)
    except OSError as error:
        raise _invalid("certificate_path", error.filename or certificate_path, error.strerror or str(error)) from error


def _encoding(path, serialization):
    pem = path.suffix.lower() in (".pem", ".crt")
    return serialization.Encoding.PEM if pem else serialization.Encoding.DER


def _write_once(path, content, mode, replace=False):
    """Write a file that has its mode from its first moment on and its name only when it is complete."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
            return
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first
        except OSError:  # a file system without hard links
            if not path.exists():
                draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def _make_certificate(key, application_uri, days):
    """Return a self-signed application instance certificate (Part 6, 6.2.2, table 43)."""
    x509, hashes = _cryptography().x509, _cryptography().hashes
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "Machine Connect"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Odoo"),
        ]
    )
    others = [x509.UniformResourceIdentifier(application_uri)]
    host = socket.gethostname()
    if host.isascii() and 0 < len(host) <= 255:
        others.append(x509.DNSName(host))
    usage = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    usage |= dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign"), True
    )
    public, now = key.public_key(), clock.now()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def certificate_facts(path):
    """Return what a person must know of a certificate file, DER or PEM. JSON only.

    :return: ``subject``, ``issuer``, ``application_uri`` (empty if it has none), ``not_before`` and ``not_after``
        (dates, UTC), ``days_left``, ``fingerprint`` (SHA-256), ``thumbprint`` (SHA-1, as OPC UA servers list it)
    :raise OSError: the file is not there or cannot be read
    :raise ConnectionFailed: certificate_invalid; the file is no certificate
    """
    return facts_of(_load_certificate(_read_bounded(path), path))


def facts_of(certificate):
    """Return the same of a certificate that is loaded."""
    hashes = _cryptography().hashes
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "application_uri": application_uri_of(certificate),
        "not_before": certificate.not_valid_before_utc.date().isoformat(),
        "not_after": certificate.not_valid_after_utc.date().isoformat(),
        "days_left": (certificate.not_valid_after_utc - clock.now()).days,
        "fingerprint": _colons(certificate.fingerprint(hashes.SHA256())),
        "thumbprint": _colons(certificate.fingerprint(hashes.SHA1())),
    }


def application_uri_of(certificate):
    """Return the ApplicationUri in a certificate (Part 6, 6.2.2), or an empty text."""
    x509 = _cryptography().x509
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return uris[0] if uris else ""


def own_certificate(settings):
    """Return our certificate (DER), its key (PEM) and the ApplicationUri, for a connection that is secured.

    Both files are made if neither is there.

    :raise ConnectionFailed: certificate_invalid, certificate_expired; they cannot be used as they are
    """
    certificate_path, key_path = Path(settings.certificate_path), Path(settings.key_path)
    ensure_certificate_files(certificate_path, key_path, settings.application_uri)
    serialization = _cryptography().serialization
    certificate = _load_certificate(_read(certificate_path, "certificate_path"), certificate_path)
    key = _load_key(_read(key_path, "key_path"), key_path)
    public = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*public) != certificate.public_key().public_bytes(*public):
        raise _invalid("key_path", key_path, "it does not belong to the certificate")
    uri = application_uri_of(certificate)
    if not uri:
        raise _invalid("certificate_path", certificate_path, "it names no application URI")
    if settings.application_uri and settings.application_uri != uri:
        # The server would compare them and refuse with a number; here both can be named.
        raise ConnectionFailed(
            "certificate_invalid", "application_uri", path=str(certificate_path), value=uri,
            expected=settings.application_uri, detail=f"it says {uri}",
        )  # fmt: skip
    _check_dates(certificate, "certificate_path", side="own", path=str(certificate_path))
    return (
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        uri,
    )


def server_certificate(content, pin, secured):
    """Return the server's certificate (DER, without the chain that may follow it), after a look at it.

    A pin is the strongest thing that can be said about a certificate, so its dates do not matter beside it.

    :param bytes content: what the server sent, or None
    :param str pin: its SHA-256 as 64 upper-case digits, or empty: any certificate that is within its dates
    :param bool secured: whether the connection is signed with it
    :raise ConnectionFailed: certificate_untrusted, certificate_expired, certificate_invalid
    """
    field = "server_certificate_fingerprint"
    if not content:
        if pin:
            raise ConnectionFailed("certificate_untrusted", field, expected=_spaced(pin), fingerprint="-")
        if secured:
            raise ConnectionFailed("certificate_invalid", "url", side="server", detail="the server sent none")
        return b""
    first = _first_of_chain(content)
    x509, cryptography = _cryptography().x509, _cryptography()
    try:
        certificate = x509.load_der_x509_certificate(first)
        found = certificate.fingerprint(cryptography.hashes.SHA256()).hex().upper()
        # the dates are parsed only when they are asked for, and may be nonsense
        certificate.not_valid_after_utc  # noqa: B018
    except (ValueError, cryptography.UnsupportedAlgorithm) as error:
        if pin or secured:
            detail = "the server's cannot be read"
            raise ConnectionFailed("certificate_invalid", "url", side="server", detail=detail) from error
        return b""
    if pin and not secrets.compare_digest(pin, found):
        raise ConnectionFailed("certificate_untrusted", field, expected=_spaced(pin), fingerprint=_spaced(found))
    if secured and not pin:
        _check_dates(certificate, field, side="server", fingerprint=_spaced(found))
    return first


def server_facts(content):
    """Return :func:`facts_of` the server's certificate as it was sent, or an empty dict."""
    if not content:
        return {}
    try:
        return facts_of(_cryptography().x509.load_der_x509_certificate(_first_of_chain(content)))
    except (ValueError, _cryptography().UnsupportedAlgorithm):
        return {}


def readable_by_others(path):
    """Whether somebody else than its owner and group may read a file; False where that cannot be told."""
    try:
        return bool(os.stat(path).st_mode & 0o004)
    except OSError:
        return False


def _check_dates(certificate, field, **params):
    now = clock.now()
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        dates = {"not_before": first.date().isoformat(), "not_after": last.date().isoformat()}
        raise ConnectionFailed("certificate_expired", field, **dates, **params)


def _first_of_chain(content):
    """Return the first certificate of a chain in DER (Part 6, 6.2.3: the application's own stands first)."""
    if len(content) > 4 and content[:2] == b"\x30\x82":
        return content[: int.from_bytes(content[2:4], "big") + 4]
    return content


def _read(path, field):
    try:
        return _read_bounded(path)
    except OSError as error:
        raise _invalid(field, path, error.strerror or str(error)) from error


def _read_bounded(path):
    with open(path, "rb") as file:
        return file.read(MAX_FILE)


def _load_certificate(content, path):
    x509 = _cryptography().x509
    try:
        if content.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise _invalid("certificate_path", path, "it holds no certificate") from error


def _load_key(content, path):
    serialization, rsa = _cryptography().serialization, _cryptography().rsa
    load = serialization.load_der_private_key
    if content.lstrip().startswith(b"-----"):
        load = serialization.load_pem_private_key
    try:
        key = load(content, None)
    except TypeError as error:  # the key has a password
        raise _invalid("key_path", path, "it has a password") from error
    except (ValueError, _cryptography().UnsupportedAlgorithm) as error:
        raise _invalid("key_path", path, "it holds no key") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < KEY_BITS:
        raise _invalid("key_path", path, "it is no RSA key of 2048 bits or more")
    return key


def _invalid(field, path, detail):
    return ConnectionFailed("certificate_invalid", field, path=str(path), detail=f"{Path(path).name}: {detail}")


def _colons(digest):
    return digest.hex(":").upper()


def _spaced(digits):
    return ":".join(digits[position : position + 2] for position in range(0, len(digits), 2))


@functools.cache
def _cryptography():
    """Return what is used of the library, imported when first asked for."""
    try:
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError as error:
        raise DriverUnavailable("cryptography", "cryptography>=45") from error
    return SimpleNamespace(
        x509=x509, hashes=hashes, serialization=serialization, rsa=rsa, UnsupportedAlgorithm=UnsupportedAlgorithm
    )
