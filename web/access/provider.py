"""What an issuer says of itself: its discovery document and its keys, kept for an hour, asked again for a new key.

urllib3 and joserfc are imported where they are used: a web without an issuer starts without them.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

DISCOVERY = "/.well-known/openid-configuration"
KEPT_S = 3600.0
AGAIN_S = 10.0
"""An unknown key is a reason to ask again, but not at each of a thousand tokens with made-up ones; nor is an issuer
that did not answer asked again for each of them, or all threads would soon wait for it."""
PATIENCE_S = 1.0
"""How long to wait for another thread that asks already."""
TIMEOUT_S = 5.0
LARGEST = 1 << 20


class ProviderError(Exception):
    """The issuer does not answer, or not as it should."""


class Provider:
    """One issuer, by its exact name. Safe to use from several threads."""

    def __init__(self, issuer: str, cafile: str = "") -> None:
        import urllib3

        self.issuer = issuer
        self._http = urllib3.PoolManager(num_pools=4, ca_certs=cafile or None, timeout=TIMEOUT_S)
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._asked = self._failed = float("-inf")

    def metadata(self) -> dict[str, Any]:
        """Give the discovery document. Raises `ProviderError`."""
        if not self._metadata:
            found = self._get(self.issuer.rstrip("/") + DISCOVERY)
            if found.get("issuer") != self.issuer:
                raise ProviderError(f"{self.issuer} calls itself {found.get('issuer')!r}")
            self._metadata = found
        return self._metadata

    def endpoint(self, name: str) -> str:
        """Give the address of one of its end points. Raises `ProviderError`."""
        address = self.metadata().get(name)
        if not isinstance(address, str):
            raise ProviderError(f"{self.issuer} has no {name}")
        if urlsplit(address).scheme not in {"https", urlsplit(self.issuer).scheme}:
            raise ProviderError(f"{self.issuer} has a {name} that is not reached by https")
        return address

    def keys(self, *, anew: bool = False) -> KeySet:
        """Give its keys; `anew`: ask again, unless that was done a moment ago. Raises `ProviderError`."""
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise ProviderError(f"{self.issuer} is slow to answer")
        try:
            age = time.monotonic() - self._asked
            if self._keys is None or age > KEPT_S or (anew and age > AGAIN_S):
                self._keys = self._fetched()
                self._asked = time.monotonic()
            return self._keys
        finally:
            self._lock.release()

    def _fetched(self) -> KeySet:
        from joserfc.jwk import KeySet

        listed = self._get(self.endpoint("jwks_uri")).get("keys")
        if not isinstance(listed, list):
            raise ProviderError(f"{self.issuer} gives no keys")
        return KeySet([key for each in listed if (key := _public(each)) is not None])

    def _get(self, url: str) -> dict[str, Any]:
        if time.monotonic() - self._failed < AGAIN_S:
            raise ProviderError(f"{self.issuer} did not answer a moment ago")
        try:
            return self._read(url)
        except ProviderError:
            self._failed = time.monotonic()
            raise

    def _read(self, url: str) -> dict[str, Any]:
        from urllib3.exceptions import HTTPError

        try:
            answer = self._http.request("GET", url, preload_content=False, redirect=False, retries=False)
            body = answer.read(LARGEST, decode_content=True)
            answer.release_conn()
            found = json.loads(body)
        except (HTTPError, ValueError) as error:
            raise ProviderError(f"{self.issuer} does not answer at {url}: {type(error).__name__}") from error
        if answer.status != 200 or not isinstance(found, dict):
            raise ProviderError(f"{self.issuer} answers {answer.status} at {url}")
        return found


def _public(key: Any) -> Any:
    """Read one key; none for one that we do not know, or that is a shared secret and proves nothing."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    try:
        return JWKRegistry.import_key(key) if key.get("kty") in ("RSA", "EC", "OKP") else None
    except (JoseError, ValueError, AttributeError):
        return None
