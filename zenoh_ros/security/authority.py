"""A certificate authority for a robot's hosts, using the library `cryptography`."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
HOST_DAYS = 365
_EARLIER = timedelta(days=1)  # a robot's clock may be behind
EVERYWHERE = ("localhost", "127.0.0.1", "::1")  # processes on the same host use TLS, too


@dataclass(frozen=True)
class CertificateEntry:
    """The content of a certificate.

    Attributes:
        name: its common name.
        addresses: the host names and addresses at which the host can be reached, the preferred one first.
        fingerprint: SHA-256 of the certificate, as openssl writes it.
    """

    name: str
    addresses: tuple[str, ...]
    until: datetime
    fingerprint: str


def make_authority(certificate: Path, key: Path, name: str, now: datetime) -> None:
    """Write the certificate and key of a new authority.

    Raises:
        FileExistsError: one of the files exists.
    """
    private = _make_key(key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(subject, private.public_key(), now, now + timedelta(days=AUTHORITY_DAYS)).issuer_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    _write_new(certificate, _pem(builder.add_extension(usage, critical=True).sign(private, hashes.SHA256())), 0o644)


def make_host_key(path: Path) -> None:
    """Write a new private key. Raises FileExistsError if the file exists."""
    _make_key(path)


def make_certificate(
    authority: Path, authority_key: Path, host_key: Path, name: str, addresses: Sequence[str], now: datetime, days: int
) -> bytes:
    """A host's certificate in PEM, for client and server; it expires with the authority's at the latest.

    Raises:
        ValueError: a file or a name is invalid.
    """
    issuer, signer, own = _read(authority), _read_key(authority_key), _read_key(host_key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    until = min(now + timedelta(days=min(days, AUTHORITY_DAYS)), issuer.not_valid_after_utc)
    if until <= now:
        raise ValueError(
            f"{authority}: the authority expired on {until:%Y-%m-%d}; create a new one with `rt-vla keys create`"
        )
    builder = _builder(subject, own.public_key(), now, until).issuer_name(issuer.subject)
    names = x509.SubjectAlternativeName([_general_name(text) for text in dict.fromkeys((*addresses, *EVERYWHERE))])
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(both, critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _pem(builder.sign(signer, hashes.SHA256()))


def read_certificate(path: Path) -> CertificateEntry:
    """The content of a certificate. Raises ValueError if the file holds none."""
    certificate = _read(path)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        addresses: tuple[str, ...] = ()
    else:
        addresses = tuple(str(name.value) for name in names)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateEntry(
        name=str(common[0].value) if common else "",
        addresses=addresses,
        until=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def _builder(
    subject: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(timezone.utc) - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    private = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    _write_new(path, private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()), 0o600)
    return private


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not a PEM certificate") from error


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a PEM private key without a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path}: expected an elliptic-curve key, as made by `rt-vla keys create`")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Never overwrites a file, and never leaves it readable by other users, even briefly."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
