"""The detectors of network sensors as a port's settings make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from node.detectors.account_fraud import AccountFraud
from node.detectors.beacon import Beacon
from node.detectors.cyber_alerts import CyberAlerts
from node.detectors.folding import Folding
from node.detectors.industrial import Industrial, IndustrialSettings
from node.detectors.lookalike import LookalikeDomains
from node.detectors.mail_fraud import MailFraud
from node.detectors.recorded import Territory
from node.lookalikes import LookalikeEngine, Ours

if TYPE_CHECKING:
    from node.detectors.base import RecordDetector
    from node.settings import CyberSettings


def cyber_detectors(
    settings: CyberSettings, table: Mapping[str, tuple[str, str]] | None = None
) -> list[RecordDetector]:
    """One fresh instance of each, whose floods are folded.

    ``table`` is that of ``lookalikes.permutations``, made beforehand in a thread; without it lookalikes are found by
    the rules alone.
    """
    territory = Territory(settings.own_networks, settings.known_peers)
    ours = Ours(domains=settings.own_domains, brands=settings.brands, known=settings.known_domains)
    engine = LookalikeEngine(ours, table=table)
    made: list[RecordDetector] = [
        CyberAlerts(territory),
        Industrial(territory, IndustrialSettings(engineering=settings.engineering)),
        LookalikeDomains(engine),
        MailFraud(engine, settings.protected_persons),
        AccountFraud(),
        Beacon(territory),
    ]
    return [Folding(one) for one in made]
