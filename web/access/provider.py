"""What an issuer says of itself: its discovery document and its keys, kept for an hour, asked again for a new key."""

import json
import threading
import time
from typing import Any

import urllib3
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

DISCOVERY = "/.well-known/openid-configuration"
KEPT_S = 3600.0
AGAIN_S = 10.0
"""An unknown key is a reason to ask again, but not at each of a thousand tokens with made-up ones."""
TIMEOUT_S = 5.0
LARGEST = 1 << 20


class ProviderError(Exception):
    """The issuer does not answer, or not as it should."""


class Provider:
    """One issuer, by its exact name. Safe to use from several threads."""

    def __init__(self, issuer: str, cafile: str = "") -> None:
        self.issuer = issuer
        self._http = urllib3.PoolManager(num_pools=4, ca_certs=cafile or None, timeout=TIMEOUT_S)
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._asked = float("-inf")

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
        return address

    def keys(self, *, anew: bool = False) -> KeySet:
        """Give its keys; `anew`: ask again, unless that was done a moment ago. Raises `ProviderError`."""
        with self._lock:
            age = time.monotonic() - self._asked
            if self._keys is None or age > KEPT_S or (anew and age > AGAIN_S):
                self._keys = self._fetched()
                self._asked = time.monotonic()
            return self._keys

    def _fetched(self) -> KeySet:
        listed = self._get(self.endpoint("jwks_uri")).get("keys")
        if not isinstance(listed, list):
            raise ProviderError(f"{self.issuer} gives no keys")
        return KeySet([key for each in listed if (key := _public(each)) is not None])

    def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = self._http.request("GET", url, preload_content=False, redirect=False, retries=False)
            body = answer.read(LARGEST, decode_content=True)
            answer.release_conn()
            found = json.loads(body)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ProviderError(f"{self.issuer} does not answer at {url}: {type(error).__name__}") from error
        if answer.status != 200 or not isinstance(found, dict):
            raise ProviderError(f"{self.issuer} answers {answer.status} at {url}")
        return found


def _public(key: Any) -> Any:
    """Read one key; none for one that we do not know, or that is a shared secret and proves nothing."""
    try:
        return JWKRegistry.import_key(key) if key.get("kty") in ("RSA", "EC", "OKP") else None
    except (JoseError, ValueError, AttributeError):
        return None
