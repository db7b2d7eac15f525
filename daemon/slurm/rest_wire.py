"""Speaking HTTP to slurmrestd, over TCP or a unix socket."""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .contract import AwayError, RefusedError, UnclearError
from .reading import one_line


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Wire:
    """Calls to slurmrestd at `unix:/path`, `http://host:port` or `https://host:port`.

    The token comes from the file that `SLURM_JWT_FILE` names, read for each call so that a renewed one is used, or
    from `SLURM_JWT`; over a unix socket none is needed, where slurmrestd takes its peer's user (rest_auth/local).
    """

    def __init__(self, url: str, timeout_s: float, environ: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._environ = os.environ if environ is None else environ

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Make one call; give the document. Raises `AwayError` if it was not sent, `UnclearError` if no answer came."""
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as error:
                raise AwayError(f"slurmrestd at {self.url} cannot be reached: {error}") from error
            return self._answer(connection, method, path, body)
        finally:
            connection.close()

    def _answer(self, connection: http.client.HTTPConnection, method: str, path: str, body: object) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, sent, self._headers())
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise UnclearError(f"slurmrestd at {self.url} did not answer {method} {path}: {error}") from error
        if answer.status in (401, 403):
            raise AwayError(f"slurmrestd at {self.url} does not let us in ({answer.status}): is SLURM_JWT still valid?")
        try:
            found = json.loads(text)
        except ValueError:
            said = one_line(text)[:200]
            kind = RefusedError if answer.status in (404, 405) else UnclearError
            raise kind(f"slurmrestd answered {method} {path} with {answer.status}: {said}") from None
        return found if isinstance(found, dict) else {}

    def _connection(self) -> http.client.HTTPConnection:
        if self.url.startswith("unix:"):
            return UnixConnection(self.url.removeprefix("unix:"), self._timeout_s)
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "localhost", parts.port, timeout=self._timeout_s)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        token = self._environ.get("SLURM_JWT", "")
        if path := self._environ.get("SLURM_JWT_FILE"):
            try:
                token = Path(path).read_text().strip()
            except OSError as error:
                raise AwayError(f"SLURM_JWT_FILE {path} cannot be read: {error.strerror}") from error
        if token:
            user = self._environ.get("USER", "")
            headers |= {"X-SLURM-USER-TOKEN": token, **({"X-SLURM-USER-NAME": user} if user else {})}
        return headers
