"""A time-stamping authority of one's own: certificates and answers by `openssl ts`, over a real HTTP server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = {name}
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[tsa_cert]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
default_tsa = config
[config]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.1
digests = sha256,sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(kw_only=True)
class Authority:
    """A running authority. `failing` makes it answer 503, `asked` counts what it was asked."""

    url: str
    roots: Path
    failing: bool = False
    asked: int = 0


def make_certificates(folder: Path, name: str) -> None:
    """Make an authority's root (ca.pem) and the certificate that stamps (tsa.pem)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "openssl.cnf"
    config.write_text(CONFIG.format(folder=folder, name=name))
    (folder / "serial").write_text("01\n")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder, timeout=60)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "30",
        "-config",
        "openssl.cnf",
        "-extensions",
        "ca",
    )
    openssl(
        "req", *curve, "-keyout", "tsa.key", "-out", "tsa.csr", "-config", "openssl.cnf", "-subj", f"/CN={name} stamps"
    )
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "20", "-extfile", "openssl.cnf")
    openssl("x509", "-req", "-in", "tsa.csr", *signed, "-extensions", "tsa_cert", "-out", "tsa.pem")


@contextmanager
def time_stamping_authority(folder: Path, name: str = "Test TSA") -> Iterator[Authority]:
    """Run an authority on a free port of this machine."""
    make_certificates(folder, name)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                authority.asked += 1
                (folder / "query.tsq").write_bytes(query)
                command = [
                    "openssl",
                    "ts",
                    "-reply",
                    "-queryfile",
                    "query.tsq",
                    "-config",
                    "openssl.cnf",
                    "-out",
                    "answer.tsr",
                ]
                done = subprocess.run(command, capture_output=True, cwd=folder, timeout=60, check=False)
                body = (folder / "answer.tsr").read_bytes() if done.returncode == 0 else b""
            self.send_response(503 if authority.failing or not body else 200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority = Authority(url=f"http://127.0.0.1:{server.server_port}/", roots=folder / "ca.pem")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
