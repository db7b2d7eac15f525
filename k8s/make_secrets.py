"""Make the secrets of an instance, once: a random password for each role and user, nothing of it kept here.

    python3 k8s/make_secrets.py | kubectl -n headframe create -f -
    python3 k8s/make_secrets.py --external | ...     # without those of the servers in components/

`create` refuses where they are there already: new passwords would lock everybody out. Each process has its own, and
mounts no other. RabbitMQ gets hashes of its users' passwords and what each may do.
"""

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence

INSTANCE = "headframe"
DATABASE = ("owner", "service", "watcher", "web", "reader", "backup")
BROKER = ("admin", "service", "watcher", "worker")
CONTROL = rf"^{INSTANCE}\.control\."
ALL = rf"^{INSTANCE}\."
TO_QUEUES = r"^(headframe\..*|amq\.default)$"
RIGHTS = {
    # configure, write, read. The job `prepare` makes what there is; the others use it.
    "admin": (ALL, ALL, ALL),
    "service": (CONTROL, TO_QUEUES, ALL),
    "watcher": ("^$", TO_QUEUES, ALL),
    "worker": (CONTROL, TO_QUEUES, ALL),
}
"""Permissions in RabbitMQ's words: patterns of what a user may make, write to, read from."""


def documents(external: bool) -> Iterator[dict[str, object]]:
    """Give the secrets, as Kubernetes wants them."""
    for role in DATABASE:
        yield secret(f"headframe-database-{role}", {"password": secrets.token_urlsafe(24)})
    users = {name: secrets.token_urlsafe(24) for name in BROKER}
    for name, password in users.items():
        yield secret(f"headframe-broker-{name}", {"password": password})
    if not external:
        yield secret("headframe-database-superuser", {"password": secrets.token_urlsafe(24)})
        yield secret("headframe-broker-definitions", {"definitions.json": json.dumps(definitions(users))})


def secret(name: str, data: Mapping[str, str]) -> dict[str, object]:
    """Give one secret, with its values as text."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "headframe"}},
        "type": "Opaque",
        "stringData": dict(data),
    }


def definitions(users: Mapping[str, str]) -> dict[str, object]:
    """Give what RabbitMQ reads as it starts: its virtual host, users, and what each may do."""
    return {
        "vhosts": [{"name": "/"}],
        "users": [user(f"headframe_{name}", password, tags(name)) for name, password in users.items()],
        "permissions": [permission(name) for name in users],
    }


def tags(name: str) -> str:
    """Give the tags of a user: only who sets policies may ask the management."""
    return "policymaker,monitoring" if name == "admin" else ""


def user(name: str, password: str, tagged: str) -> dict[str, object]:
    """Give a user with RabbitMQ's salted SHA-256 of the password."""
    salt = secrets.token_bytes(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    return {"name": name, "password_hash": hashed, "hashing_algorithm": algorithm, "tags": tagged}


def permission(name: str) -> dict[str, str]:
    """Give what one user may do."""
    configure, write, read = RIGHTS[name]
    return {"user": f"headframe_{name}", "vhost": "/", "configure": configure, "write": write, "read": read}


def main(words: Sequence[str]) -> int:
    """Print all of them as one list."""
    if set(words) - {"--external"}:
        print(__doc__, file=sys.stderr)
        return 2
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents("--external" in words))}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
