"""What is written down behind the answers: alarms at once, refused secrets folded, polls not lost to a full disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from hub import consumers
from hub.ca import CertificateAuthority, ServerIdentity
from hub.members import Members
from hub.quota import Quotas
from hub.settings import TaxiiSettings
from hub.store import audit_rows
from hub.taxii.fold import Folding
from hub.taxii.model import Kind
from hub.taxii.places import DISCOVERY_PATH
from hub.taxii.service import Ground, TaxiiService
from port2port.limits import QUOTA
from tests.fakes.taxii_shelf import GENESIS, stix
from tests.fakes.taxii_site import SIEM, Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def nobody() -> ServerIdentity:
    raise AssertionError("no member's listener is open")


async def never(_seen: int) -> int:
    await asyncio.Event().wait()
    return 0


def story(
    site: Site,
    told: Callable[[TaxiiService], Awaitable[None]],
    *,
    settings: TaxiiSettings | None = None,
    identity: Callable[[], ServerIdentity] = nobody,
) -> None:
    """A service over the site's database; without listeners, unless ``settings`` name some."""

    async def go() -> None:
        service = TaxiiService(
            Ground(
                settings=settings or TaxiiSettings(),
                federation=site.fed.name,
                database=site.database,
                shelf=site.shelf,
                folding=Folding(genesis_hash=GENESIS, federation=site.fed.name),
                moved=never,
                members=Members(site.shelf.now),
                quotas=Quotas(QUOTA, site.clock),
                clock=site.clock,
                metrics=site.metrics,
                serving=lambda: True,
                identity=identity,
                root_pem=_root(),
                grace_s=1,
            )
        )
        await told(service)

    asyncio.run(asyncio.wait_for(go(), 30))


def _root() -> bytes:
    return CertificateAuthority.create("p2p.test", datetime.now(UTC)).root_pem


def rows(site: Site, event: str) -> list[Any]:
    return [row["facts"] for row in site.database.read_now(lambda c: audit_rows(c, event))]


def test_refused_secrets_are_a_row_for_each_network_and_minute(site: Site) -> None:
    async def told(service: TaxiiService) -> None:
        scope = {"client": ("203.0.113.9", 1)}
        for _ in range(5):
            service._consumers.refused(scope)
        for number in range(30):
            service._consumers.refused({"client": (f"10.0.{number}.1", 1)})
        await service.note()
        first = rows(site, "consumer-refused")
        assert len(first) == 21
        assert first[0] == '{"network":"203.0.113.0/24","times":5}'
        assert first[-1] == '{"network":"others","times":11}'
        service._consumers.refused(scope)
        await service.note()
        assert rows(site, "consumer-refused") == first
        site.clock.advance(61)
        await service.note()
        assert rows(site, "consumer-refused")[21:] == ['{"network":"203.0.113.0/24","times":1}']

    story(site, told)


def test_a_new_network_is_in_the_log_and_the_metric_at_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.get(DISCOVERY_PATH, client="203.0.113.9")

    async def told(service: TaxiiService) -> None:
        service._polls.extend(site.polls)
        await service.note()

    story(site, told)
    assert [record.message for record in caplog.records] == ["consumer used from a new network"]
    assert site.metrics.value("taxii_alarms", reason="consumer-new-network") == 1


def test_polls_are_written_once_the_database_takes_them_again(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, stix(1))
    site.get(site.objects(siem))

    async def told(service: TaxiiService) -> None:
        service._polls.extend(site.polls)
        with site.database.engine.connect() as connection:
            connection.exec_driver_sql("ALTER TABLE consumer_use RENAME TO away")
            connection.commit()
        await service.note()
        assert len(service._polls) == 1
        with site.database.engine.connect() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO consumer_use")
            connection.commit()
        await service.note()
        assert len(service._polls) == 0

    story(site, told)
    assert len(rows(site, "consumer-new-network")) == 1
    assert [use.delivered for use in site.database.read_now(lambda c: consumers.uses(c, SIEM))] == [1]


def test_a_certificate_that_cannot_be_taken_stops_nothing_and_is_taken_later(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    ca = CertificateAuthority.create("p2p.test", datetime.now(UTC))
    good = [ca.issue_hub(("127.0.0.1",), datetime.now(UTC)) for _ in range(2)]
    now = [good[0]]

    async def told(service: TaxiiService) -> None:
        now[0] = replace(good[1], chain=b"half of it")
        service._try_to_renew()
        assert service._identity is good[0]
        now[0] = good[1]
        service._try_to_renew()
        assert service._identity is good[1]
        service._listeners[0].close()

    story(site, told, settings=TaxiiSettings(listen="127.0.0.1:0"), identity=lambda: now[0])
    assert [record.message for record in caplog.records] == ["certificate of the members' listener not renewed"]
