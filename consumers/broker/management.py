"""RabbitMQ's management API: policies, and what AMQP does not tell about queues and nodes."""

from typing import Any
from urllib.parse import quote

import msgspec

from .base import BrokerRefusedError, BrokerUnavailableError
from .policies import Policy

TIMEOUT_S = 10.0


class Management:
    """The management API as one user sees one virtual host. Nothing is connected before the first question."""

    def __init__(self, url: str, *, vhost: str, user: str, password: str, cafile: str | None = None) -> None:
        self.url, self.vhost, self.user = url.rstrip("/"), vhost, user
        self._password, self._cafile = password, cafile
        self._place = quote(vhost, safe="")

    def __repr__(self) -> str:
        return f"Management({self.url})"

    def policies(self) -> dict[str, dict[str, Any]]:
        """Give all policies of the virtual host by name."""
        found: list[dict[str, Any]] = self._ask("GET", f"/policies/{self._place}") or []
        return {policy["name"]: policy for policy in found}

    def set_policy(self, policy: Policy) -> None:
        """Set a policy. The user needs the tag `policymaker`."""
        self._ask("PUT", f"/policies/{self._place}/{quote(policy.name, safe='')}", policy.body())

    def queue(self, name: str) -> dict[str, Any] | None:
        """Give what is known of a queue: `type`, `policy`, `effective_policy_definition` and more."""
        found: dict[str, Any] | None = self._ask("GET", f"/queues/{self._place}/{quote(name, safe='')}")
        return found

    def nodes(self) -> list[dict[str, Any]]:
        """Give the nodes with their alarms. The user needs the tag `monitoring`."""
        found: list[dict[str, Any]] = self._ask("GET", "/nodes") or []
        return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask; None where there is no such thing. Raises `BrokerUnavailableError` or `BrokerRefusedError`."""
        import urllib3

        login = urllib3.make_headers(basic_auth=f"{self.user}:{self._password}")
        try:
            with urllib3.PoolManager(ca_certs=self._cafile, timeout=TIMEOUT_S, retries=False) as pool:
                said = pool.request(method, f"{self.url}/api{path}", headers=login, json=body)
        except urllib3.exceptions.HTTPError as error:
            raise BrokerUnavailableError(f"{self.url}: {error}") from error
        if said.status == 404:
            return None
        if said.status >= 400:
            raise BrokerRefusedError(f"{self.url} refuses user {self.user!r}: {_reason(said.data)}", said.status)
        try:
            return msgspec.json.decode(said.data) if said.data else None
        except msgspec.DecodeError as error:
            raise BrokerUnavailableError(f"{self.url} is no management API of RabbitMQ: {error}") from error


def _reason(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return "it does not say why"
    return str(said.get("reason") or said.get("error"))
