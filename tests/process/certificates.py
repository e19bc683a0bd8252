"""Certificates for a test: somebody who signs them, and servers' own."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID


@frozen
class Signer:
    """Who signs certificates, such as a company's own authority."""

    name: x509.Name
    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, path: Path) -> Path:
        """What is to be trusted, as PEM."""
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path

    def write_keystore(self, path: Path, address: str, password: str) -> Path:
        """A key and its certificate for the server at the ``address``, as PKCS #12."""
        key = generate_private_key(SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        certificate = (
            draft(named(address), self.name, key).add_extension(names, critical=False).sign(self.key, SHA256())
        )
        kept = BestAvailableEncryption(password.encode())
        path.write_bytes(serialize_key_and_certificates(b"node", key, certificate, [self.certificate], kept))
        return path


def a_signer(name: str) -> Signer:
    key = generate_private_key(SECP256R1())
    own = x509.BasicConstraints(ca=True, path_length=0)
    certificate = draft(named(name), named(name), key).add_extension(own, critical=True).sign(key, SHA256())
    return Signer(named(name), key, certificate)


def draft(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """Valid for a day."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
