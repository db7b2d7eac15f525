"""What somebody may do: six roles, the same words in the database, the configuration, on the pages and on the wire."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do. Viewer, operator and administrator each include the one before; the committee is apart.

    A launcher is a program that starts workers on a cluster: it may see, and say what it starts. A detector is one that
    says whether the detector runs; it sees nothing, for it stands where the data are taken.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    COMMITTEE = "blinding-committee"
    LAUNCHER = "launcher"
    DETECTOR = "detector"


INCLUDES = {
    Role.VIEWER: {Role.VIEWER},
    Role.OPERATOR: {Role.VIEWER, Role.OPERATOR, Role.DETECTOR},
    Role.ADMINISTRATOR: {Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR, Role.LAUNCHER, Role.DETECTOR},
    Role.COMMITTEE: {Role.VIEWER, Role.COMMITTEE},
    Role.LAUNCHER: {Role.VIEWER, Role.LAUNCHER},
    Role.DETECTOR: {Role.DETECTOR},
}


def known(names: Iterable[str]) -> frozenset[Role]:
    """Give the roles of these names; what is no role is left out, so that it lets nobody in."""
    return frozenset(Role(name) for name in names if name in set(Role))


def allowed(role: Role, roles: Iterable[Role]) -> bool:
    """Say whether one of these roles is this one, or includes it."""
    return any(role in INCLUDES[own] for own in roles)


def within(wanted: Iterable[Role], roles: Iterable[Role]) -> frozenset[Role]:
    """Keep those of the wanted roles that somebody with these roles may have."""
    own = tuple(roles)
    return frozenset(role for role in wanted if allowed(role, own))


DATABASE_ROLES = ("owner", "service", "watcher", "web", "reader", "backup")
"""Roles in PostgreSQL, which processes sign in with. `service`: conductors and sweepers; `reader`: who asks by SQL."""
