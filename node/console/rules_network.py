"""The limits of the detectors that read network sensors, for the page of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from node.detectors.account_fraud import AccountFraud, AccountSettings
from node.detectors.beacon import Beacon, BeaconSettings
from node.detectors.cyber_alerts import AlertSettings, CyberAlerts
from node.detectors.folding import FoldingSettings
from node.detectors.industrial import Industrial, IndustrialSettings
from node.detectors.lookalike import AGAIN_AFTER, LookalikeDomains
from node.detectors.mail_fraud import AGAIN_AFTER as MAIL_AGAIN_AFTER
from node.detectors.mail_fraud import MailFraud
from node.lookalikes import engine
from port2port.console.words import N_

BUILT_IN: Final = N_("fixed in this version of the program")
HOUR: Final = timedelta(hours=1)
AGAIN: Final = N_("Time before the same thing is found again")
NAMES: Final[Mapping[str, str]] = {
    CyberAlerts.name: N_("Attack traffic with a foreign address"),
    Industrial.name: N_("Commands to controllers"),
    LookalikeDomains.name: N_("A domain that can be taken for ours"),
    MailFraud.name: N_("Mail that deceives"),
    AccountFraud.name: N_("Accounts made by one hand"),
    Beacon.name: N_("Connections at even intervals"),
}
STORIES: Final[Mapping[str, str]] = {
    CyberAlerts.name: N_(
        "The intrusion detection raises a grave alert, and one end is neither ours nor known to be harmless."
    ),
    Industrial.name: N_(
        "Modbus or DNP3 functions that write, diagnose, restart or are unknown, from an address that is not in the "
        "engineering list; a talker never seen before; a controller that answers with exceptions."
    ),
    LookalikeDomains.name: N_(
        "Somebody here looks up or reaches a name that is ours but for a letter, a suffix or a word."
    ),
    MailFraud.name: N_(
        "Mail from a lookalike domain, mail under the name of a protected person that fails its checks, or another "
        "bank account for a known supplier."
    ),
    AccountFraud.name: N_("New accounts that share a device, a bank account or a telephone, or a document used twice."),
    Beacon.name: N_("A machine here calls a foreign address at even intervals: a hint, and nothing more."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One limit: what it is, how much, and ``key``, where it is set. ``label`` and ``unit`` are message ids."""

    label: str
    value: float
    unit: str
    key: str = BUILT_IN


def makers() -> tuple[tuple[str, int, tuple[Number, ...]], ...]:
    """(name, version, limits) of each."""
    made: tuple[tuple[str, int, tuple[Number, ...]], ...] = (
        (CyberAlerts.name, CyberAlerts.version, _alerts()),
        (Industrial.name, Industrial.version, _industrial()),
        (LookalikeDomains.name, LookalikeDomains.version, _lookalike()),
        (
            MailFraud.name,
            MailFraud.version,
            (Number(label=AGAIN, value=MAIL_AGAIN_AFTER / HOUR, unit="h"),),
        ),
        (AccountFraud.name, AccountFraud.version, _accounts()),
        (Beacon.name, Beacon.version, _beacon()),
    )
    most = Number(
        label=N_("Subjects an hour; more are folded into one finding"), value=FoldingSettings().subjects, unit=""
    )
    return tuple((name, version, (*numbers, most)) for name, version, numbers in made)


def _alerts() -> tuple[Number, ...]:
    said = AlertSettings()
    return (
        Number(label=N_("Severity that counts in any category"), value=said.severity, unit=""),
        Number(label=N_("Categories that count at any severity"), value=len(said.categories), unit=""),
        Number(label=N_("Targets or rules that make it broad"), value=said.breadth, unit=""),
        Number(label=AGAIN, value=said.again_after / HOUR, unit="h"),
    )


def _industrial() -> tuple[Number, ...]:
    said = IndustrialSettings()
    return (
        Number(label=N_("Time to learn who talks to controllers"), value=said.learning.days, unit=N_("days")),
        Number(label=N_("Exceptions of a minute's answers, at most"), value=100 * said.exception_share, unit="%"),
        Number(label=N_("Answers that such a minute has at least"), value=said.exceptions_of, unit=""),
        Number(label=AGAIN, value=said.again_after / HOUR, unit="h"),
    )


def _lookalike() -> tuple[Number, ...]:
    return (
        Number(label=N_("Letters of our name from which one may differ"), value=engine.ONE_EDIT_FROM, unit=""),
        Number(label=N_("Letters of our name from which two may differ"), value=engine.TWO_EDITS_FROM, unit=""),
        Number(label=N_("Letters of a word that counts inside another"), value=engine.JOINED_FROM, unit=""),
        Number(label=AGAIN, value=AGAIN_AFTER / HOUR, unit="h"),
    )


def _accounts() -> tuple[Number, ...]:
    said = AccountSettings()
    return (
        Number(label=N_("New accounts that share something"), value=said.accounts, unit=""),
        Number(label=N_("Time in which they are made"), value=said.within.days, unit=N_("days")),
        Number(label=N_("Time in which a document serves once"), value=said.documents_within.days, unit=N_("days")),
    )


def _beacon() -> tuple[Number, ...]:
    said = BeaconSettings()
    return (
        Number(label=N_("Connections in a row"), value=said.flows, unit=""),
        Number(label=N_("Variation of their intervals, below"), value=said.variation, unit=""),
        Number(label=N_("Shortest interval"), value=said.shortest.total_seconds(), unit="s"),
        Number(label=AGAIN, value=said.again_after / HOUR, unit="h"),
    )
