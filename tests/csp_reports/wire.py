"""What stands between browser and house in a test: it ends TLS, passes everything on, and remembers the reports."""

from __future__ import annotations

import datetime
import http.client
import http.server
import ipaddress
import ssl
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.services.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

HOP = {"connection", "transfer-encoding", "keep-alive"}
PEM = serialization.Encoding.PEM


@dataclass
class Wire:
    """Where browsers find the house, and what they reported on the way."""

    url: str
    reports: list[tuple[Message, bytes]] = field(default_factory=list)


@contextmanager
def wire_to(port: int, listen: int, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Pass requests at one port on to another."""
    wire = Wire(f"{'https' if tls else 'http'}://localhost:{listen}")

    class Passage(http.server.BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if "csp-report" in self.path:
                wire.reports.append((self.headers, body))
            house = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
            house.request(self.command, self.path, body, dict(self.headers.items()))
            answer = house.getresponse()
            content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP | {"content-length"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _pass_on  # noqa: N815 - names that the library asks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((LOOPBACK, listen), Passage) as server:
        server.daemon_threads, server.block_on_close = True, False  # a browser keeps connections that it never uses
        if tls:
            # The handshake belongs to the connection's own thread, for the same reason.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield wire
        finally:
            server.shutdown()
            thread.join()


def trusted_at_home(home: Path, certutil: Path) -> ssl.SSLContext:
    """Make an authority that a Chromium with this home trusts, and return a context with its word for localhost."""
    key, authority = _certified("A test authority", None)
    leaf_key, leaf = _certified("localhost", (key, authority))
    (home / "ca.pem").write_bytes(authority.public_bytes(PEM))
    secret = leaf_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "leaf.pem").write_bytes(secret + leaf.public_bytes(PEM))
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for words in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "test", "-i", str(home / "ca.pem"))):
        subprocess.run([certutil, "-d", f"sql:{store}", *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "leaf.pem")
    return context


Signer = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _certified(name: str, by: Signer | None) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[1].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if by:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(by[0] if by else key, hashes.SHA256())
