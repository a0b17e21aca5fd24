"""Who belongs now: the question every rpc asks, answered from the roster and the list of denied certificates.

A node is let in while three things hold: its member is active in the roster, the machine key its certificate was
issued against stands there (or was replaced by a ``rekey`` of that key), and its certificate's serial is not
denied. The roster is folded from the log; denied serials are the hub's own list, for a certificate that must go
before its day is over. Whoever can write that list can lock members out, and let a denied one in until its
certificate ends; he can make nobody a member.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from port2port.errors import NotMemberError
from port2port.roster import Roster, RosterKey

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A node as its certificate names it. ``key_id`` is the machine key the certificate was issued against."""

    member: str
    node: int
    key_id: str
    serial: str


class DeniedError(NotMemberError):
    """This certificate was denied by the hub's operator."""

    code = "CERTIFICATE_DENIED"


def standing_key(roster: Roster, member: str, key_id: str) -> RosterKey | None:
    """The member's current machine key that ``key_id`` is, or became by rekey; None if it was revoked or is unknown.

    A rekey retires the old key in the very entry that adds the new one (``roster.apply``).
    """
    seen: set[str] = set()
    key = roster.keys.get(key_id)
    while key is not None and key.member == member and key.public.key_class == "machine":
        if key.revoked_index is None:
            return key
        seen.add(key.public.key_id)
        key = _successor(roster, key, seen)
    return None


def _successor(roster: Roster, old: RosterKey, seen: set[str]) -> RosterKey | None:
    if old.invalid_since_ms is not None:
        return None
    for key in roster.keys.values():
        same = key.member == old.member and key.public.key_class == old.public.key_class
        if same and key.added_index == old.revoked_index and key.public.key_id not in seen:
            return key
    return None


class Members:
    """The roster as this process last folded it, and the denied serials. Both are replaced whole, never changed."""

    def __init__(self, roster: Roster | None = None, denied: frozenset[str] = frozenset()) -> None:
        self._roster = roster
        self._denied = denied
        self._outdated: dict[tuple[str, int], tuple[str, str]] = {}

    @property
    def roster(self) -> Roster | None:
        """None until the genesis is in the log."""
        return self._roster

    def replace_roster(self, roster: Roster | None) -> None:
        """Take the newer roster."""
        self._roster = roster

    def replace_denied(self, serials: frozenset[str]) -> None:
        """Take the newer list of denied serials."""
        self._denied = serials

    def compare_version(self, peer: Peer, version: str) -> bool:
        """Whether a node's software is as new as the roster asks for; of one that is not the log speaks once.

        It is served all the same: its own health says what to do, and a port must not go blind over a version.
        """
        roster, name = self._roster, (peer.member, peer.node)
        if roster is None or roster.admits(version):
            self._outdated.pop(name, None)
            return True
        said = (version[:20], roster.minimum_version)
        if self._outdated.get(name) != said:
            self._outdated[name] = said
            facts = {"member": peer.member, "node": peer.node, "version": said[0], "minimum": said[1]}
            logger.warning("node is older than the minimum version", extra=facts)
        return False

    def require(self, peer: Peer) -> Roster:
        """The roster under which ``peer`` may speak. Raises NotMemberError, which never says more than its caller
        may know: the same for a member that awaits approval and for one that was removed.
        """
        if peer.serial in self._denied:
            raise DeniedError("this certificate was denied: enrol again")
        roster = self._roster
        known = roster is not None and roster.is_member(peer.member)
        if roster is None or not known or standing_key(roster, peer.member, peer.key_id) is None:
            raise NotMemberError("not in the roster: the coordinators have not approved this node, or no longer do")
        return roster

    def require_not_removed(self, peer: Peer) -> None:
        """For what a node may ask while it awaits approval. Raises NotMemberError if it was let go, or denied."""
        roster = self._roster
        if peer.serial in self._denied:
            raise DeniedError("this certificate was denied: enrol again")
        if roster is None:
            return
        gone = peer.member in roster.member_table and not roster.is_member(peer.member)
        if gone or (peer.key_id in roster.keys and standing_key(roster, peer.member, peer.key_id) is None):
            raise NotMemberError("not in the roster: the coordinators have not approved this node, or no longer do")
