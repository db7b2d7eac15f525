"""Who is told of alerts in tests: a mail server and a web hook, real ones, on ports of their own."""

import email
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class HookReceiver:
    """Takes what is posted to it; answers with `status`, or hangs while `hang` is set. It can be away and come back."""

    def __init__(self, certificate: ssl.SSLContext | None = None) -> None:
        self.certificate = certificate
        self.status, self.got, self.headers = 200, list[dict[str, Any]](), list[dict[str, str]]()
        self.asked = list[str]()
        self.came, self.hang, self.release = threading.Condition(), False, threading.Event()
        self.port = 0
        self.server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/hook?secret=s3cret"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(None)

            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body: dict[str, Any] | None) -> None:
                with receiver.came:
                    receiver.asked.append(self.path)
                    if body is not None:
                        receiver.got.append(body)
                        receiver.headers.append(dict(self.headers))
                    receiver.came.notify_all()
                if receiver.hang:
                    receiver.release.wait(60)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        if self.certificate is not None:
            self.server.socket = self.certificate.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.release.set()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def wait(self, n: int, timeout_s: float = 30) -> list[dict[str, Any]]:
        """Wait until so many have come."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= n, timeout_s), f"{len(self.got)} of {n} came"
            return list(self.got)


class MailReceiver:
    """Takes mail; with `user` only after that one has signed in, with a certificate only over TLS.

    `asked` says of each who wanted to sign in whether that was over TLS. `whole`: TLS from the first byte on.
    """

    def __init__(
        self, user: str = "", password: str = "", certificate: ssl.SSLContext | None = None, *, whole: bool = False
    ) -> None:
        self.user, self.password = user, password
        self.mail, self.asked = list[Message](), list[bool]()
        self.refuses = ""
        more: dict[str, Any] = {}
        if user:
            clear = certificate is None or whole  # aiosmtpd knows of no TLS but that which it has begun itself
            more = {"auth_required": True, "auth_require_tls": not clear, "authenticator": self._sign_in}
        if certificate is not None:
            more |= {"ssl_context": certificate} if whole else {"tls_context": certificate, "require_starttls": True}
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=port, **more)
        self.controller.start()

    @property
    def port(self) -> int:
        return int(self.controller.port)

    def _sign_in(self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        self.asked.append(session.ssl is not None)
        right = LoginPassword(self.user.encode(), self.password.encode())
        return AuthResult(success=data == right, handled=False)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd asks for this name)
        if self.refuses:
            return self.refuses
        content = envelope.content or b""
        self.mail.append(email.message_from_bytes(content if isinstance(content, bytes) else content.encode()))
        return "250 taken"

    def stop(self) -> None:
        self.controller.stop()


@contextmanager
def hook_receiver() -> Iterator[HookReceiver]:
    """Give a web hook, and end it."""
    made = HookReceiver()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def mail_receiver(
    user: str = "", password: str = "", certificate: ssl.SSLContext | None = None, *, whole: bool = False
) -> Iterator[MailReceiver]:
    """Give a mail server, and end it."""
    made = MailReceiver(user, password, certificate, whole=whole)
    try:
        yield made
    finally:
        made.stop()
