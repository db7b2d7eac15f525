"""Calls to the API: a pool of connections, tries again where that is safe, answers as records, refusals as errors."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3

from ..statemachine.meeting import met
from ..statemachine.records import Record
from .errors import ClientError, ProblemError, UnreachableError

T = TypeVar("T")
PREFIX = "/api/v1"
PAGE = 1000
KEPT = 256
LARGEST_KEPT = 64 * 1024
"""So many answers, of so many bytes at most, are kept to be asked for only if they have changed."""


class Patience(urllib3.Retry):
    """Tries again where that may help; what was too slow only once more, for each such try takes the whole time."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Count a try that did not work. Raises where there were enough."""
        if error is not None and _slow(error) and any(_slow(past.error) for past in self.history):
            raise urllib3.exceptions.MaxRetryError(_pool, url or "", error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)


AGAIN = Patience(
    total=4,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=None,  # a change carries a key, and so acts once however often it is sent
    backoff_factor=0.2,
    backoff_jitter=0.2,
    redirect=0,
    raise_on_status=False,
)


class Rows(Record, Generic[T]):
    """A page of a list."""

    rows: tuple[T, ...]
    next: str = ""


class Problem(Record):
    """What the API says where it refuses (RFC 9457)."""

    title: str = ""
    detail: str = ""


class Wire:
    """The way to one headframe. Threads may share it."""

    def __init__(self, url: str, token: str | None, timeout_s: float, cafile: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise ClientError(f"{_public(url)} is no address of a headframe; write https://host or http://host:port")
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "headframe-client"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=AGAIN, ca_certs=cafile)
        self._kept: dict[str, tuple[str, bytes]] = {}
        self._keeping = Lock()

    def __repr__(self) -> str:
        return f"Wire({self.url!r})"

    def get(self, record: type[T], path: str, /, **asked: Any) -> T:
        """Give what an address answers, as a record of this kind."""
        return _decoded(self._got(_address(path, asked)), record)

    def each(self, record: type[T], path: str, /, *, limit: int | None = None, **asked: Any) -> Iterator[T]:
        """Give the rows of a list, all or the first so many, a page at a time as they are wanted."""
        after, left = "", limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page: Rows[T] = self.get(Rows[record], path, **asked, limit=size, after=after or None)  # type: ignore[valid-type]
            yield from page.rows
            after = page.next
            left = None if left is None else left - len(page.rows)
            if not after:
                return

    def send(
        self, record: type[T], path: str, body: Any, *, dry_run: bool = False, key: str | None = None,
        method: str = "POST", **asked: Any,
    ) -> T:  # fmt: skip
        """Have something changed, once however often it has to be sent; give the answer as a record."""
        address = _address(path, {**asked, "dry_run": "true" if dry_run else None})
        headers = {**self._headers, "Idempotency-Key": key or secrets.token_hex(16)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else msgspec.json.encode(body)
        with self._explained():
            answer = self._pool.request(method, self.url + address, body=content, headers=headers)
        return _decoded(self._checked(answer), record)

    def stream(self, path: str, start: int = 0, /, **asked: Any) -> Iterator[bytes]:
        """Give the bytes of an answer as they come, from byte `start` on."""
        headers = {**self._headers, "Accept": "*/*"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._explained():
            answer = self._pool.request("GET", self.url + _address(path, asked), headers=headers, preload_content=False)
            try:
                if start and answer.status == 416:  # nothing has come after that byte
                    return
                if answer.status != (206 if start else 200):
                    self._checked(answer)
                yield from answer.stream(1 << 16)
            finally:
                answer.close()  # what was not read may not be left for the next answer on this connection
                answer.release_conn()

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _got(self, address: str) -> bytes:
        known = self._kept.get(address)
        headers = {**self._headers, **({"If-None-Match": known[0]} if known else {})}
        with self._explained():
            answer = self._pool.request("GET", self.url + address, headers=headers)
        if answer.status == 304 and known:
            return known[1]
        content = self._checked(answer)
        tag = answer.headers.get("ETag")
        if tag is None or len(content) > LARGEST_KEPT:
            return content
        with self._keeping:
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[address] = (tag, content)
        return content

    def _checked(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """Give an answer's content. Raises `ProblemError`; `UnreachableError` where something else answers there."""
        content = answer.data
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        if answer.status < 300 and kind == "application/json":
            return content
        if kind != "application/problem+json":
            raise UnreachableError(f"what answers at {self.url} is no headframe: {answer.status} {kind or 'nothing'}")
        problem = msgspec.json.decode(content, type=met(Problem))
        members = msgspec.json.decode(content)
        raise ProblemError(answer.status, problem.title, problem.detail, members)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except urllib3.exceptions.HTTPError as error:
            cause = getattr(error, "reason", None) or error
            raise UnreachableError(f"{self.url} does not answer: {_first(cause)}") from error


def read_token(token: str | None, file: str | Path | None) -> str | None:
    """Give the token, or the one that a file holds. Raises `ClientError` for a file that has none."""
    if token is not None or file is None:
        return token
    path = Path(file).expanduser()
    try:
        found = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ClientError(f"the token cannot be read from {path}: {error.strerror}") from error
    if not found or any(each.isspace() for each in found):
        raise ClientError(f"{path} has to hold one token and nothing else")
    return found


def within(*parts: object) -> str:
    """Make a path of the API of these parts, whatever they hold."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def _address(path: str, asked: Mapping[str, Any]) -> str:
    wanted = [(name, _written(value)) for name, value in asked.items() if value is not None]
    return f"{PREFIX}{path}" + (f"?{urlencode(wanted)}" if wanted else "")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def _decoded(content: bytes, record: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=met(record))
    except msgspec.DecodeError as error:
        line = f"the service answers what this version of headframe does not know ({error}); take the service's version"
        raise ClientError(line) from error


def _slow(error: Exception | None) -> bool:
    """Say whether a try took all its time; a refused connection, which urllib3 counts as one, has not."""
    timed_out = isinstance(error, urllib3.exceptions.TimeoutError)
    return timed_out and not isinstance(error, urllib3.exceptions.NewConnectionError)


def _public(url: str) -> str:
    """Give an address without what somebody may have written into it as a secret."""
    return url.rsplit("@", 1)[-1]


def _first(error: object) -> str:
    said = str(error).split("\n", 1)[0]
    return said.rsplit(": ", 1)[-1] if said.startswith("<") or "object at 0x" in said else said
