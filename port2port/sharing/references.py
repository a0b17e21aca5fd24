"""What objects say of other objects: an entry that names another's object is as strict, for at most its audience.

The ends of a relationship and the objects of a note or report are STIX ids without an issuer. What counts is every
object of that id that the author of the reference may read, but for its own; **what it may not read does not exist**
for it, so that a hidden id and a random one are answered alike, at the hub too, which knows both.
An id that the statement names with its issuer, in its body, is judged there by that issuer's object alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from port2port.canonical import Json
from port2port.errors import PolicyError, TooLargeError
from port2port.sharing.preview import no_wider_than
from port2port.sharing.readers import Audience, RosterView, audience_of, member_reader
from port2port.sharing.rule import permits
from port2port.sharing.table import Outlet
from port2port.statement import Statement

NAMES_MAX: Final = 1_000
# Of STIX ids, who made an object of that id, and who may read it: (issuer, STIX id, audience) a version, oldest first.
Versions: TypeAlias = Sequence[tuple[str, str, Audience]]
VersionsOf: TypeAlias = Callable[[Collection[str]], Versions]
# Who made it and how it is marked: neither is what an object is about.
_NOT_ABOUT: Final = frozenset({"created_by_ref", "object_marking_refs", "granular_markings"})


class WiderError(PolicyError):
    """It would reach somebody who may not read what it refers to, or is marked less strictly."""

    code = "WIDER_THAN_REFERENCE"


def named_in(objects: Iterable[Mapping[str, Json]]) -> frozenset[str]:
    """The STIX ids that objects name: their properties ending in ``_ref`` and ``_refs``, in extensions too.

    Raises TooLargeError for more than ``NAMES_MAX``: each is looked up while all others wait.
    """
    found = frozenset(name for data in objects for name in _named(data))
    if len(found) > NAMES_MAX:
        raise TooLargeError(f"the objects of a statement name {len(found)} others; at most {NAMES_MAX} are allowed")
    return found


def _named(value: Json | Mapping[str, Json]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name in _NOT_ABOUT:
                continue
            if isinstance(part, str):
                if name.endswith("_ref"):
                    yield part
            elif isinstance(part, list) and name.endswith("_refs"):
                yield from (item for item in part if isinstance(item, str))
            else:
                yield from _named(part)
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, (Mapping, list)):
                yield from _named(part)


def nothing_made(_ids: Collection[str]) -> Versions:
    """The ``VersionsOf`` of a reader without a memory, and of one that judges elsewhere."""
    return ()


def require_named_no_wider(
    said: Statement, objects: Iterable[Mapping[str, Json]], versions_of: VersionsOf, roster: RosterView
) -> None:
    """Whether all that the objects of a statement name may be named to its readers, as far as known.

    Raises WiderError or TooLargeError.
    """
    names = named_in(objects) - {stix_id for _issuer, stix_id in said.refs()}
    found: dict[tuple[str, str], list[Audience]] = {}
    for issuer, stix_id, audience in versions_of(names) if names else ():
        if issuer != said.issuer:
            found.setdefault((issuer, stix_id), []).append(audience)
    require_no_wider(said, [(stix_id, versions) for (_issuer, stix_id), versions in found.items()], roster)


def require_no_wider(said: Statement, known: Iterable[tuple[str, Sequence[Audience]]], roster: RosterView) -> None:
    """Of every object of others that is named: (STIX id, audiences of its versions, newest last). Raises WiderError.

    Of each the newest version that the author may read counts. A member's card rides along in every realm.
    """
    child = audience_of(said)
    for stix_id, versions in known:
        for parent in reversed(versions):
            elsewhere = parent.realm != said.realm and stix_id.startswith("identity--")
            if elsewhere or not permits(parent, member_reader(said.issuer), None, Outlet.FEED, roster):
                continue
            decision = no_wider_than(child, parent, roster)
            if not decision:
                raise WiderError(decision.reasons[0].sentence, id=stix_id)
            break
