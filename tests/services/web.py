"""Small HTTP servers on loopback for requests that the house makes, and a resolver whose answers a test writes."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[["Heard", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it arrived; names of headers in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """A server that keeps what it was asked, and answers what the test says.

    Attributes:
        answers: Raw answers in order; the last is given again and again.
        instead: Writes the answer itself, where raw bytes are not enough.
    """

    answers: list[bytes] = field(default_factory=lambda: [OK])
    instead: Answer | None = None
    heard: list[Heard] = field(default_factory=list)
    address: str = "127.0.0.1"
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is, without TLS."""
        return f"http://{self.address}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = dict(line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in fields.items()}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.heard.append(Heard(head[0], headers, body))
            if self.instead is not None:
                await self.instead(self.heard[-1], writer)
            else:
                writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def open_site(site: Site | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """Open a site on a loopback address until the block ends."""
    site = site or Site()
    server = await asyncio.start_server(site.serve, site.address, site.port, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


class Resolver:
    """Answers a loop's look-ups from a table of lists; each look-up takes the next list, the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []
        loop = asyncio.get_running_loop()
        self._real = loop.getaddrinfo
        monkeypatch.setattr(loop, "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int, **hints: Any) -> list[Any]:  # noqa: ANN401
        """Answer from the table, else as the machine does."""
        self.asked.append(host)
        answers = self.names.get(host)
        if answers is None:
            return list(await self._real(host, port, **hints))
        found: Iterable[str] = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (30 if ip_address(a).version == 6 else 2, 1, 6, "", (a, port, 0, 0) if ":" in a else (a, port))
            for a in found
        ]


class Authority:
    """A certificate authority of a test's own, and the certificates it gives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        certificate = self._built(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str) -> ssl.SSLContext:
        """Return what a server with a certificate for these names serves TLS with."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._built(subject, key.public_key(), alternatives)
        path = self._folder / f"{names[0]}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(path)
        return found

    def _built(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )
