"""Consoles with something on every page: ``busy_desk`` and ``busy_hub`` give the names that the addresses need."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

from PIL import Image

from node import alarms, drafts, photos, suppressions
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.levels import Level
from port2port.stix import publishing
from port2port.tlp import Tlp
from tests.fakes.desks import B, a_finding, evidence_line
from tests.fakes.watching import a_hit

if TYPE_CHECKING:
    from tests.fakes.desk_console import DeskConsole
    from tests.fakes.picture_console import PictureConsole

EVERYTHING = tuple(Role)
_CHOICE = {"tlp": "amber", "handling": "call_first", "group": "seaports"}


def busy_desk(console: DeskConsole, who: str = "o1") -> dict[str, str]:
    """A hit, a draft with a photo, one sent, one frozen, an alarm, a suppression, a level; the port sets levels itself."""
    now, fed = console.context.now.replace(microsecond=0), console.fed
    authority = [{"op": "set-level-authority", "locode": "BEANR", "member": console.context.member}]
    authority += [{"op": "set-level-authority", "locode": "BELGG", "member": B}]
    console.harbour.feed.log(fed.control("roster", authority))
    body = Level(locode="BELGG", level=2, effective=now, reason="gates under watch").to_body()
    console.harbour.feed.log(fed.content(B, "level", two_officers=True, tlp=Tlp.GREEN, body=body, handling="act"))
    console.pull()
    hit = a_hit(console.harbour, console.desk)
    heard = evidence_line(b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24", now)
    opened = console.draft(a_finding(at=now, evidence=(heard,)))
    sent, frozen = (console.draft(a_finding(mmsi=mmsi, at=now)) for mmsi in ("205000002", "205000003"))
    console.desk.publish(sent)
    console.desk.send()
    out = io.BytesIO()
    Image.new("RGB", (600, 400), "navy").save(out, "JPEG")
    photo = photos.clean(out.getvalue())
    console.do(
        lambda c: photos.keep(c, photo, draft=opened.id, officer=who, now=now, description="the bow", shared=False)
    )
    alarm = alarms.Alarm(code=alarms.Code.CLOCK, text="our clock is 5 s ahead of the hub's")
    console.do(lambda c: alarms.raise_alarm(c, alarm, to_ms(now)))
    until = now + timedelta(days=1)
    console.do(
        lambda c: suppressions.add(
            c, kind="mute", subject="geofence", owner=who, reason="works", now=now, expires_at=until
        )
    )
    version = console.do(lambda c: drafts.version(drafts.get(c, frozen.id)))
    visitor = console.visitor(who)
    answer = visitor.send(f"/drafts/{frozen.id}/publish", f"/drafts/{frozen.id}", **_CHOICE, version=version)
    assert answer.status_code == 303, answer.text
    return {
        "draft": opened.id,
        "ident": sent.id,
        "act": answer.headers["location"].rpartition("/")[2],
        "member": B,
        "hit": hit.id,
        "issuer": hit.indicator.issuer,
        "stix_id": hit.indicator.stix_id,
        "kind": "container",
        "digest": photo.digest.hex(),
    }


def busy_hub(console: PictureConsole) -> dict[str, str]:
    """Two entries, an incident over one, and a level in force."""
    desk, fed = console.desk, console.desk.fed
    (index, _) = desk.admit([fed.publish("beanr", handling="call_first"), fed.publish("beanr")])
    desk.admit([fed.control("roster", [{"op": "set-level-authority", "locode": "BEANR", "member": "beanr"}])])
    body = Level(locode="BEANR", level=2, effective=fed.clock.now(), reason="gates under watch").to_body()
    desk.admit([fed.content("beanr", "level", two_officers=True, tlp=Tlp.GREEN, body=body)])
    opened = console.visitor("beanr", *EVERYTHING).send("/incidents", row=str(index)).headers["location"]
    return {
        "consumer": console.consumer("ndc-siem"),
        "member": "belgg",
        "index": str(index),
        "ident": opened.rpartition("/")[2],
        "day": str(console.context.now.date()),
        "key": fed.ports["belgg"].machine.key_id,
        "version": publishing.VERSION,
        "name": "index.json",
    }
