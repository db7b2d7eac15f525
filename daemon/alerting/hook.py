"""A web hook: JSON by POST, with a token and a number by which who gets it twice knows."""

import ssl
from typing import Any
from urllib.parse import urlsplit

from ..config import ConfigError, read_secret
from ..config.alerting import HookConfig, Severities
from . import tls
from .receivers import RefusedNoticeError, UndeliveredError

TIMEOUT_S = 10.0
NEVER = (400, 405, 410, 413, 415, 422)
"""What says that this notice will never be taken, or not in this way; 401, 403 and 404 are mended by people."""


class Hook:
    """Tells a program at a URL."""

    def __init__(self, name: str, config: HookConfig, instance: str) -> None:
        self.name, self.config, self.instance = f"hook.{name}", config, instance
        self.severities: Severities = config.severities
        self._key = f"alerts.hook.{name}"

    def described(self) -> str:
        """Say where it is: what follows the host may be a secret."""
        return place(self._url())

    def send(self, number: int, body: dict[str, Any]) -> None:
        """Send a notice. Raises `UndeliveredError`."""
        headers = {"Idempotency-Key": f"headframe-{self.instance}-{number}", "User-Agent": "headframe"}
        if self.config.token_file is not None:
            headers["Authorization"] = f"Bearer {self._secret('token_file')}"
        # The number also stands in the body, for those who see nothing of headers.
        key = f"{self._key}.cafile"
        post(self._url(), {**body, "id": number}, headers, tls.context(self.config.cafile, key), key)

    def _url(self) -> str:
        return self._secret("url_file") if self.config.url_file is not None else self.config.url

    def _secret(self, name: str) -> str:
        try:
            return read_secret(getattr(self.config, name), f"{self._key}.{name}").strip()
        except ConfigError as error:
            raise UndeliveredError(str(error)) from error


def post(
    url: str,
    body: dict[str, Any] | None,
    headers: dict[str, str],
    trust: ssl.SSLContext | None = None,
    key: str = "the system",
) -> None:
    """Call a URL, by POST if there is something to say. Raises `UndeliveredError`, which names the host alone.

    `trust` says by whose word its certificate is right, and `key` where that is said.
    """
    import urllib3

    where, method = place(url), "GET" if body is None else "POST"
    try:
        with urllib3.PoolManager(ssl_context=trust, timeout=TIMEOUT_S, retries=False) as pool:
            # A redirect is not followed: what is secret is for this host alone.
            said = pool.request(method, url, headers=headers, json=body, redirect=False, preload_content=False)
            status = said.status
            said.close()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UndeliveredError(_said(where, error, key)) from None
    if status in NEVER:
        raise RefusedNoticeError(f"{where} answered {status}: it does not take this")
    if not 200 <= status < 300:
        raise UndeliveredError(f"{where} answered {status}")


def place(url: str) -> str:
    """Give the part of a URL that may be told."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def _said(where: str, error: Exception, key: str) -> str:
    """Say what is wrong; urllib3 hands on what TLS had to say as the first word of its own."""
    (first, *_) = (*error.args, None)
    if isinstance(first, ssl.SSLCertVerificationError):
        return f"{where}: {tls.untrusted(first, key)}"
    if isinstance(first, ssl.SSLError):
        return f"{where}: TLS failed: {first.reason or 'it was broken off'}"
    return f"{where} does not answer: {_kind(error)}"


def _kind(error: Exception) -> str:
    """Say what happened without the URL, which urllib3 puts into what it says."""
    reason = getattr(error, "reason", None) or error
    words = {"ConnectTimeoutError": "it took too long", "ReadTimeoutError": "it took too long"}
    name = type(reason).__name__
    if name in words:
        return words[name]
    cause = reason.__cause__ if isinstance(reason, BaseException) else None
    return (cause.strerror or name) if isinstance(cause, OSError) and cause.strerror else name
