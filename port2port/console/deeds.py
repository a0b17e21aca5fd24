"""What each action in an audit trail is, in words: a reader of the trail need not know its codes.

The code stays beside the words, because searches ask for it. An action of a family that is put together, such as
``incident.contained``, is told as its family; one that nobody has words for is shown as its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from port2port.console.words import N_, Wording

DEEDS: Final[Mapping[str, str]] = {
    "acknowledge": N_("acknowledged an item"),
    "acknowledge-undone": N_("took an acknowledgement back"),
    "act-asked": N_("was asked for a passkey's signature"),
    "act-not-signed": N_("a signature was refused"),
    "act-prepared": N_("prepared a decision"),
    "act-returned": N_("a decision went back"),
    "act-sent-back": N_("sent a decision back"),
    "act-signed": N_("signed a decision"),
    "act-withdrawn": N_("gave a decision up"),
    "add-passkey": N_("added a passkey"),
    "alarm-acknowledged": N_("acknowledged what waits"),
    "announce-works": N_("announced works"),
    "approve-rule": N_("approved an automatic rule"),
    "audit-read": N_("read the audit trail"),
    "audit.read": N_("read the audit trail"),
    "bind-provider": N_("bound an account to the sign-in provider"),
    "briefing.read": N_("made a briefing"),
    "call-off-works": N_("called works off"),
    "compared": N_("compared the log with members"),
    "denied": N_("denied a certificate"),
    "end-session": N_("ended a session"),
    "end-sessions": N_("ended sessions"),
    "end-suppression": N_("ended a suppression"),
    "enrol": N_("enrolled a person"),
    "enrolled": N_("a node enrolled"),
    "evidence": N_("took evidence away"),
    "export-audit": N_("took the audit trail away"),
    "export-statements": N_("took statements with proofs away"),
    "export.audit": N_("took the audit trail away"),
    "export.briefing": N_("took a briefing away"),
    "export.picture": N_("took the picture away as a table"),
    "hit-confirm": N_("confirmed a sighting"),
    "hit-mute": N_("muted a pair"),
    "hit-not-the-same": N_("said a hit is not the same"),
    "hit-preview": N_("looked at what would go back"),
    "incident.open": N_("opened an incident"),
    "incident.read": N_("opened the page of an incident"),
    "invited": N_("invited a member"),
    "items-seen": N_("acknowledged items"),
    "items-unseen": N_("took acknowledgements back"),
    "key-file-refused": N_("no key file opened"),
    "key-lost": N_("said a key is lost"),
    "key-not-taken": N_("the hub did not take a key"),
    "key-offered": N_("offered a key to the coordinators"),
    "keys-offered": N_("keys were offered"),
    "levels-read": N_("read a change of the security level"),
    "log.bundle": N_("checked an entry in the browser"),
    "log.compare": N_("compared two checkpoints"),
    "log.download": N_("took a proof away"),
    "log.open": N_("opened an entry of the log"),
    "log.search": N_("searched the log"),
    "member.admit": N_("handed a signed statement in"),
    "member.confirmed": N_("confirmed a change of members"),
    "member.fingerprint.compared": N_("compared a fingerprint"),
    "member.fingerprint.refused": N_("a fingerprint did not match"),
    "member.invited": N_("invited a member"),
    "member.open": N_("opened the page of a member"),
    "name-passkey": N_("named a passkey"),
    "new-recovery-codes": N_("made new recovery codes"),
    "notice-sent": N_("somebody was called"),
    "offer-key": N_("began to offer a key"),
    "officer-report": N_("wrote a report"),
    "paste-recognised": N_("pasted identifiers"),
    "picture.acknowledge": N_("acknowledged entries"),
    "picture.not_related": N_("said two entries are not related"),
    "picture.open": N_("opened an entry of the picture"),
    "picture.search": N_("searched the picture"),
    "picture.unacknowledge": N_("took acknowledgements back"),
    "picture.view.forgotten": N_("forgot a saved view"),
    "picture.view.saved": N_("saved a view"),
    "remove-passkey": N_("removed a passkey"),
    "remove-password": N_("removed the password"),
    "renewed": N_("a certificate was renewed"),
    "report": N_("sent a report to the queue"),
    "report-started": N_("began a report"),
    "set-password": N_("set a password"),
    "shift-accept": N_("accepted a shift"),
    "shift-hand-over": N_("handed a shift over"),
    "sign-in": N_("signed in"),
    "sign-in-refused": N_("a sign-in was refused"),
    "sign-out": N_("signed out"),
    "suppress": N_("silenced something"),
    "swap-agreed": N_("agreed to a swap of shifts"),
    "swap-asked": N_("asked for a swap of shifts"),
    "swap-declined": N_("declined a swap of shifts"),
    "take-over": N_("took an item over"),
    "wall-display": N_("opened a wall display"),
    "works-announced": N_("announced works"),
    "works-called-off": N_("called works off"),
    "publish": N_("decided to publish"),
    "reject": N_("decided to reject"),
    "reject-many": N_("decided to reject several drafts"),
    "retract": N_("decided to take something back"),
    "say": N_("decided to say something"),
    "confirm": N_("checked an emergency decision"),
    "confirmed": N_("confirmed a sighting"),
    "muted": N_("muted a pair"),
    "look-up": N_("looked something up"),
    "act-opened": N_("opened a decision"),
    "bytes-opened": N_("looked at what a member receives"),
    "draft-opened": N_("opened a draft"),
    "hit-opened": N_("opened a hit"),
    "indicator-opened": N_("opened an indicator"),
    "photo-opened": N_("looked at a photograph"),
    "sent-opened": N_("opened what was sent"),
}
FAMILIES: Final[Mapping[str, str]] = {
    "account-": N_("changed an account"),
    "act-": N_("did something with a decision"),
    "incident.": N_("worked on an incident"),
    "member.": N_("prepared a change of members"),
    "picture.": N_("worked on the picture"),
    "hit-": N_("answered a hit"),
    "key-": N_("did something with a key"),
}


def message_of(code: str) -> str:
    """The message for an action; empty where nobody has words for it."""
    return DEEDS.get(code) or next((words for start, words in FAMILIES.items() if code.startswith(start)), "")


def deed(code: str, wording: Wording) -> str:
    """An action in the reader's language."""
    return wording.text(message_of(code)) or code
