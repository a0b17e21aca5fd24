"""What is listed is not published and not watched, whoever asks, until an officer excepts it, and then only till then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from node import alarms, drafts, rules, suppressions
from node.acts import asked_of, at_once, preparing, sign_at_once, silencing, why_stale
from node.alarms import Code
from node.drafts import Draft, Proposal
from node.indicators import Indicator
from node.observations import SourceClass
from node.outbox import Queued
from node.pipeline import Options, Pipeline
from node.places import Places
from node.rules import AutomaticRule
from node.sensors.parsers.ais import AisParser
from node.sensors.transports.lines import LineQueue
from node.trusted_time import TrustedTime
from node.visit_store import SqlVisits
from node.warning_lists import kept
from node.warning_lists.gate import Gate, ListedError, ProtectedError
from node.warning_lists.index import WarningIndexError
from port2port.console.told import known
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, Desk, Harbour, a_finding, amber
from tests.fakes.federation import stix_id_of
from tests.fakes.warning_lists import LISTS, a_gate, a_list, built_in

MMSI = "205123456"
LISTED = "[domain-name:value = 'mail.google.com']"
FREE = "[domain-name:value = 'evil.example']"


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    for desk in made.desks.values():
        if desk.gate is not None:
            desk.gate.close()
    made.close()


@pytest.fixture
def desk(harbour: Harbour, tmp_path: Path) -> Desk:
    return guarded(harbour.desks[B], tmp_path)


def guarded(desk: Desk, home: Path, **more: Any) -> Desk:
    desk.gate = a_gate(desk.node.store, home / f"lists-{desk.member}", desk.fed.clock.now(), **more)
    return desk


def a_draft(desk: Desk, pattern: str, kind: str = "publish") -> Draft:
    raw = desk.fed.indicator(desk.member, tlp=Tlp.AMBER, pattern=pattern)
    proposal = Proposal(
        kind=kind, objects=(raw,), groups=("seaports",), handling="call_first", purpose="maritime-security"
    )
    now = desk.fed.clock.now()
    return desk.node.store.write_now(lambda c: drafts.add(c, f"test/{raw[:60]!r}", proposal, {}, now=now))


def publish(desk: Desk, pattern: str, kind: str = "publish") -> list[Queued]:
    return desk.publish(a_draft(desk, pattern, kind), amber(), desk.both())


def except_it(desk: Desk, what: str, *, hours: int = 48) -> None:
    """As the command line does it: an act that the officers sign."""

    def action(connection: Any) -> None:
        act = desk.both()
        asked = asked_of(act)
        made = silencing.suppress(
            connection,
            desk.author,
            asked,
            kind=suppressions.LISTED,
            what=what,
            reason="seen in the mail of the harbour master",
            until=act.now + timedelta(hours=hours),
        )
        sign_at_once(connection, desk.author, made, act.officers, desk.roster, now=act.now)

    desk.node.store.write_now(action)


PATTERNS = {
    "a name below a listed one": LISTED,
    "defanged": "[domain-name:value = 'mail[.]google[.]com']",
    "a URL there": "[url:value = 'https://docs.google.com/x']",
    "one of several": "[domain-name:value = 'evil.example' OR ipv4-addr:value = '8.8.8.8']",
    "in a set": "[ipv4-addr:value IN ('203.0.113.5', '8.8.8.8')]",
    "beside another condition": "[domain-name:value = 'google.com' AND domain-name:x_seen = 'yes']",
    "by its beginning": "[domain-name:value LIKE 'google.com%']",
    "in a second bracket": "[domain-name:value = 'evil.example'] AND [ipv4-addr:value = '8.8.8.8']",
    "a network round a listed address": "[ipv4-addr:value = '8.8.0.0/16']",
    "where we do not evaluate the pattern": "[ipv4-addr:value ISSUBSET '8.8.8.0/24']",
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_an_indicator_on_a_listed_value_is_refused_with_the_lists_name(desk: Desk, pattern: str) -> None:
    with pytest.raises(
        ListedError, match=r"is on the warning list (top sites|resolvers): an officer may except it"
    ) as refused:
        publish(desk, pattern)
    assert known(refused.value.text)
    assert desk.send() == []


def test_what_is_not_listed_is_published(desk: Desk) -> None:
    assert len(publish(desk, FREE)) == 1
    assert len(publish(desk, "[domain-name:value != 'google.com' AND domain-name:value = 'evil.example']")) == 1


@pytest.mark.parametrize("kind", ["publish", "report", "import"])
def test_whatever_carries_the_indicator_is_refused(desk: Desk, kind: str) -> None:
    with pytest.raises(ListedError):
        publish(desk, LISTED, kind)


def test_an_act_that_waits_for_signatures_is_not_even_prepared(desk: Desk) -> None:
    draft = a_draft(desk, LISTED)
    asked = replace(asked_of(desk.both()), officers=())
    with pytest.raises(ListedError):
        desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, draft.id, amber(), asked))


def test_what_is_listed_while_it_waits_for_signatures_goes_back(harbour: Harbour, tmp_path: Path) -> None:
    desk = harbour.desks[B]
    draft = a_draft(desk, LISTED)
    asked = replace(asked_of(desk.both()), officers=())
    made = desk.node.store.write_now(lambda c: preparing.publish_draft(c, desk.author, draft.id, amber(), asked))
    guarded(desk, tmp_path)
    why = desk.node.store.read_now(lambda c: why_stale(c, desk.author, made, desk.roster, desk.fed.clock.now()))
    assert why is not None
    assert "is on the warning list top sites" in why


def test_what_was_published_before_it_was_listed_can_be_taken_back(harbour: Harbour, tmp_path: Path) -> None:
    desk = harbour.desks[B]
    (queued,) = publish(desk, LISTED)
    desk.send()
    guarded(desk, tmp_path)
    act = desk.both()
    taken = desk.node.store.write_now(
        lambda c: at_once.retract(c, desk.author, queued.statement_id, "it is harmless", act)
    )
    assert len(taken) == 1


def test_an_exercise_may_use_what_is_harmless(desk: Desk) -> None:
    draft = a_draft(desk, LISTED)
    act = replace(desk.both(), realm="exercise:storm-1")
    made = desk.node.store.write_now(lambda c: at_once.publish_draft(c, desk.author, draft.id, amber(), act))
    assert len(made[1]) == 1


def test_an_officer_excepts_one_value_until_a_time(desk: Desk) -> None:
    except_it(desk, "Mail[.]Google.com.", hours=48)
    assert len(publish(desk, LISTED)) == 1
    with pytest.raises(ListedError):
        publish(desk, "[domain-name:value = 'drive.google.com']")
    desk.fed.clock.advance(49 * 3_600)
    with pytest.raises(ListedError):
        publish(desk, LISTED)


def test_an_exception_silences_no_finding(desk: Desk) -> None:
    except_it(desk, f"mmsi:{MMSI}")
    assert desk.take(a_finding(mmsi=MMSI)).suppression is None


def rule_of(desk: Desk) -> AutomaticRule:
    made = AutomaticRule(
        id="clones",
        version=1,
        detector="identity-clone",
        min_confidence=60,
        tlp=Tlp.AMBER_STRICT,
        groups=("seaports",),
        approved_by="o1",
    )
    return replace(made, signature=rules.approval(made, desk.officer()))


def by_rule(desk: Desk, draft: Draft) -> list[Queued]:
    given, now = (rule_of(desk),), desk.fed.clock.now()
    return desk.node.store.write_now(
        lambda c: rules.apply(c, desk.author, given, draft, roster=desk.roster, now=now, skipped=lambda _why: None)
    )


def test_a_rule_never_publishes_it_excepted_or_not(harbour: Harbour, tmp_path: Path) -> None:
    desk = guarded(harbour.desks[B], tmp_path, protected=[f"mmsi:{MMSI}"])
    draft = desk.draft(a_finding(mmsi=MMSI, source_class=SourceClass.LOCAL))
    for _ in range(2):
        with pytest.raises(ProtectedError, match="a rule never publishes it") as refused:
            by_rule(desk, draft)
        assert known(refused.value.text)
        except_it(desk, f"mmsi:{MMSI}")


PROTECTED = {
    "own fleet": (f"[vessel:mmsi = '{MMSI}']", f"mmsi:{MMSI}"),
    "by its IMO number": ("[vessel:imo = '9074729']", "imo:9074729"),
    "our own domain": ("[domain-name:value = 'mail.port.example']", "domain:port.example"),
    "a URL there": ("[url:value = 'https://www.port.example/pay']", "domain:port.example"),
    "an address": ("[ipv4-addr:value = '192.0.2.7']", "ipv4:192.0.2.7"),
}


@pytest.mark.parametrize(("pattern", "identity"), PROTECTED.values(), ids=PROTECTED)
def test_a_protected_identity_is_published_by_nobody(
    harbour: Harbour, tmp_path: Path, pattern: str, identity: str
) -> None:
    desk = guarded(harbour.desks[B], tmp_path, protected=[identity])
    with pytest.raises(ProtectedError, match="is a protected identity of this port: an officer may except") as refused:
        publish(desk, pattern)
    assert known(refused.value.text)


def test_what_was_said_to_be_of_the_own_fleet_is_protected_too(desk: Desk) -> None:
    now = desk.fed.clock.now()
    fleet = {"kind": suppressions.OWN_FLEET, "subject": f"mmsi:{MMSI}", "owner": "o1", "reason": "our tug"}
    desk.node.store.write_now(lambda c: suppressions.add(c, **fleet, now=now, expires_at=now + timedelta(days=9)))
    with pytest.raises(ProtectedError):
        publish(desk, f"[vessel:mmsi = '{MMSI}']")


def test_facts_of_a_protected_identity_are_known_however_many_there_are(tmp_path: Path) -> None:
    gate = Gate(tmp_path, [f"mmsi:{MMSI}", "domain:port.example"])
    assert gate.protects({"vessel:name": "X", "vessel:mmsi": MMSI})
    assert gate.protects({"domain-name:value": ("evil.example", "www.port.example")})
    assert not gate.protects({"vessel:mmsi": "205123457", "domain-name:value": ("export.example",)})


def test_a_protected_ship_is_known_by_any_of_its_numbers(tmp_path: Path) -> None:
    protected = Gate(tmp_path, ["mmsi:205000001", "imo:9074729", "eni:06004321"]).protects
    assert protected({"vessel:mmsi": "205000001"})
    assert protected({"vessel:mmsi": "205999999", "vessel:imo": "9074729"})
    assert protected({"vessel:eni": "06004321"})
    assert not protected({"vessel:mmsi": "205999999", "vessel:name": "mmsi:205000001"})


def test_a_network_round_a_protected_address_is_protected_as_the_address_is(tmp_path: Path) -> None:
    protected = Gate(tmp_path, ["ipv4:192.0.2.17", "ipv6:2001:db8::17"]).protects
    assert protected({"ipv4-addr:value": "192.0.2.0/24"})
    assert protected({"ipv6-addr:value": "2001:db8::/32"})
    assert not protected({"ipv4-addr:value": "198.51.100.0/24", "ipv6-addr:value": "2001:db9::/32"})


def test_nothing_is_listed_where_nothing_was_imported(harbour: Harbour, tmp_path: Path) -> None:
    desk = harbour.desks[B]
    desk.gate = Gate(tmp_path / "nowhere")
    assert len(publish(desk, LISTED)) == 1


def damage(desk: Desk, home: Path) -> None:
    (path,) = (home / f"lists-{desk.member}" / "warning-lists").glob("*.idx")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def test_a_damaged_index_closes_the_way_out(desk: Desk, tmp_path: Path) -> None:
    damage(desk, tmp_path)
    with pytest.raises(WarningIndexError, match="changed or cut") as refused:
        publish(desk, FREE)
    assert known(refused.value.text)


# --- before matching ----------------------------------------------------------------------------------------------


def a_pipeline(desk: Desk) -> Pipeline:
    return Pipeline(
        desk.node.store,
        desk.author,
        Options(defaults=desk.defaults),
        clock=desk.fed.clock,
        trusted=TrustedTime(desk.fed.clock),
        places=Places(()),
        visits=SqlVisits(desk.node.store),
        roster=lambda: desk.node.inbox.state.roster,
        parser=AisParser(),
        queue=LineQueue(),
    )


def received(harbour: Harbour, pattern: str, **more: Any) -> str:
    raw = harbour.fed.indicator(B, pattern=pattern, **more)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw]))
    harbour.desks[A].pull()
    return stix_id_of(raw)


def now_of(desk: Desk, stix_id: str) -> Indicator:
    found = desk.indicator(stix_id)
    assert found is not None
    return found


def tick(pipeline: Pipeline) -> None:
    asyncio.run(pipeline.tick())


def states(desk: Desk, pipeline: Pipeline, *ids: str) -> list[tuple[str, Sequence[str]]]:
    tick(pipeline)
    return [(now_of(desk, one).state, now_of(desk, one).listed) for one in ids]


def test_a_received_indicator_on_a_listed_value_is_not_watched_and_says_why(harbour: Harbour, tmp_path: Path) -> None:
    desk = guarded(harbour.desks[A], tmp_path)
    listed, free = received(harbour, LISTED), received(harbour, FREE)
    pipeline = a_pipeline(desk)
    assert states(desk, pipeline, listed, free) == [("listed", ("top sites",)), ("watched", ())]
    assert len(pipeline._watch) == 1


def test_an_exception_lets_it_be_watched_until_it_ends(harbour: Harbour, tmp_path: Path) -> None:
    desk = guarded(harbour.desks[A], tmp_path)
    listed = received(harbour, LISTED)
    pipeline = a_pipeline(desk)
    tick(pipeline)
    except_it(desk, "mail.google.com", hours=1)
    assert states(desk, pipeline, listed) == [("watched", ())]
    desk.fed.clock.advance(3_601)
    assert states(desk, pipeline, listed) == [("listed", ("top sites",))]


def test_lists_that_are_imported_later_are_asked_about_what_is_watched_already(
    harbour: Harbour, tmp_path: Path
) -> None:
    desk = harbour.desks[A]
    desk.gate = Gate(tmp_path / "later" / "warning-lists")
    one, other = received(harbour, LISTED), received(harbour, FREE)
    pipeline = a_pipeline(desk)
    assert states(desk, pipeline, one, other) == [("watched", ()), ("watched", ())]
    put(desk, tmp_path / "later", [a_list(name="harmless", list=["evil.example"])])
    assert states(desk, pipeline, one, other) == [("watched", ()), ("listed", ("harmless",))]
    put(desk, tmp_path / "later", LISTS)
    assert states(desk, pipeline, one, other) == [("listed", ("top sites",)), ("watched", ())]


def put(desk: Desk, home: Path, lists: Sequence[Any]) -> None:
    made = built_in(home, lists)
    desk.node.store.write_now(lambda c: kept.put_in_force(c, made, now=desk.fed.clock.now()))


def test_a_revoked_indicator_is_no_longer_called_listed(harbour: Harbour, tmp_path: Path) -> None:
    desk = guarded(harbour.desks[A], tmp_path)
    listed = received(harbour, LISTED)
    pipeline = a_pipeline(desk)
    tick(pipeline)
    harbour.feed.log(harbour.fed.retract(B, [listed]))
    desk.pull()
    assert [state for state, _ in states(desk, pipeline, listed)] == [""]


def test_a_damaged_index_blinds_nobody_and_raises_an_alarm(harbour: Harbour, tmp_path: Path) -> None:
    desk = guarded(harbour.desks[A], tmp_path)
    damage(desk, tmp_path)
    listed = received(harbour, LISTED)
    pipeline = a_pipeline(desk)
    assert states(desk, pipeline, listed) == [("watched", ())]
    standing = desk.node.store.read_now(alarms.standing)
    assert [alarm.code for alarm in standing] == [Code.WARNING_LISTS]
    put(desk, tmp_path / f"lists-{A}", [a_list(list=["google.com", "other.example"])])
    assert states(desk, pipeline, listed) == [("listed", ("top sites",))]
    assert desk.node.store.read_now(alarms.standing) == []
