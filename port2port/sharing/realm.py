"""Exercise and real never mix: the STIX id of a versioned object stays in the realm its issuer first used it in.

Identities are left out: a member's own card rides along in both realms, each of which has its own versions of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from port2port.errors import PolicyError

if TYPE_CHECKING:
    from port2port.statement import Statement

Name: TypeAlias = tuple[str, str]  # (issuer, STIX id)
# Of those names that are known already, the realm each was first used in; the others are left out.
RealmOf: TypeAlias = Callable[[Sequence[Name]], Mapping[Name, str]]


class OtherRealmError(PolicyError):
    """A statement of one realm makes a version of, or refers to, an object of another."""

    code = "OTHER_REALM"


def nothing_known(_names: Sequence[Name]) -> Mapping[Name, str]:
    """The ``RealmOf`` of a reader without a memory: a proof bundle shows one entry."""
    return {}


def realm_bound(said: Statement) -> list[Name]:
    """The objects that a statement makes versions of, and those it refers to."""
    named = [(said.issuer, ref.id) for ref in said.objects if ref.modified is not None]
    return [name for name in dict.fromkeys([*named, *said.refs()]) if not name[1].startswith("identity--")]


def require_one_realm(said: Statement, realm_of: RealmOf) -> None:
    """Whether all that a statement names is of its own realm, as far as known. Raises OtherRealmError."""
    names = realm_bound(said)
    for name, realm in realm_of(names).items() if names else ():
        if realm != said.realm:
            raise OtherRealmError("an object of another realm: exercise and real never mix", id=name[1])
