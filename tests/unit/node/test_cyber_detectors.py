"""Each detector of network sensors finds what it is for, at its threshold and not below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.detectors.account_fraud import AccountFraud, AccountSettings
from node.detectors.base import RecordDetector, label
from node.detectors.beacon import Beacon, BeaconSettings
from node.detectors.cyber import cyber_detectors
from node.detectors.cyber_alerts import AlertSettings, CyberAlerts
from node.detectors.folding import Folding, FoldingSettings
from node.detectors.industrial import Industrial, IndustrialSettings
from node.detectors.lookalike import LookalikeDomains
from node.detectors.mail_fraud import ACCOUNTS, MailFraud
from node.detectors.protocols import Deed, deed_of
from node.detectors.recorded import Raised, Territory
from node.findings import Finding, FindingKind, Severity
from node.lookalikes import LookalikeEngine, Ours
from node.observations import SourceClass
from node.records import Record
from node.settings import CyberSettings
from tests.fakes.netlogs import (
    BEGIN,
    INSIDE,
    INSIDE_TOO,
    OTHER_PEER,
    OWN_PUBLIC,
    PEER,
    account,
    alert,
    mail,
    modbus,
    named,
    record,
)

DAY = 24 * 3600
WEEK = 7 * DAY
ENGINE = LookalikeEngine(Ours(domains=("northseaport.com",)))
TERRITORY = Territory(own=("193.191.1.0/24",), known=(f"{OTHER_PEER}/32",))
IBANS = "BE68 5390 0754 7034", "BE71 0961 2345 6769", "NL91 ABNA 0417 1643 00"


# --- alerts -------------------------------------------------------------------------------------------------------


def test_an_alert_of_high_severity_with_a_foreign_address_is_found() -> None:
    (finding,) = CyberAlerts(TERRITORY).detect([alert()])
    assert finding.kind is FindingKind.NETWORK_ALERT
    assert finding.subjects == (f"ipv4:{PEER}",)
    assert (finding.detector, finding.severity, finding.confidence) == ("cyber-alerts@1", Severity.MEDIUM, 60)
    assert finding.numbers["breadth"].value == 1
    assert [(one.source, one.ident) for one in finding.references] == [("suricata", "2001219")]
    assert finding.inside == (INSIDE,)
    assert INSIDE not in finding.reason


def test_the_foreign_end_is_told_whoever_began() -> None:
    (finding,) = CyberAlerts(TERRITORY).detect([alert(source=INSIDE, target=PEER)])
    assert finding.subjects == (f"ipv4:{PEER}",)


@pytest.mark.parametrize(
    "harmless",
    [
        alert(severity=2, category="Misc Attack"),
        alert(source=INSIDE_TOO),  # both ends are ours
        alert(source=OWN_PUBLIC),
        alert(source=OTHER_PEER),  # known to be harmless
        alert(source=PEER, target="8.8.8.8"),  # neither is ours
        alert(source="not an address"),
        record("alert", source=PEER, target=INSIDE),
        alert(source=None),
    ],
)
def test_an_alert_that_says_little_or_names_nobody_foreign_is_none(harmless: Record) -> None:
    assert CyberAlerts(TERRITORY).detect([harmless]) == []


def test_a_listed_category_counts_at_any_severity() -> None:
    (finding,) = CyberAlerts(TERRITORY).detect([alert(severity=3, category="A Network Trojan was detected")])
    assert finding.severity is Severity.LOW


def test_what_somebody_uses_is_a_low_hint_however_broad() -> None:
    habit = "Potential Corporate Privacy Violation"
    findings = CyberAlerts(TERRITORY).detect([alert(category=habit), alert(1, sid=2, category=habit)])
    assert [(one.severity, one.confidence) for one in findings] == [(Severity.LOW, 30)] * 2


def test_one_rule_and_peer_is_one_finding_in_24_hours() -> None:
    detector = CyberAlerts(TERRITORY)
    assert len(detector.detect([alert(second) for second in (0, 60, 3600, DAY - 1)])) == 1
    assert len(detector.detect([alert(DAY)])) == 1


@pytest.mark.parametrize("second", [alert(5, target=INSIDE_TOO), alert(5, sid=99)])
def test_two_targets_or_two_rules_make_it_broad(second: Record) -> None:
    findings = CyberAlerts(TERRITORY).detect([alert(), second])
    assert [one.numbers["breadth"].value for one in findings] == [1, 2]
    assert findings[1].severity is Severity.HIGH
    assert findings[1].confidence == 75  # a port's own sensor is believed no further
    assert findings[0].id != findings[1].id


def test_targets_a_day_apart_do_not_add_up() -> None:
    findings = CyberAlerts(TERRITORY).detect([alert(), alert(DAY, target=INSIDE_TOO)])
    assert [one.numbers["breadth"].value for one in findings] == [1, 1]


# --- control protocols --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "function", "deed"),
    [
        ("modbus", "3", Deed.READ),
        ("modbus", "READ_HOLDING_REGISTERS", Deed.READ),
        *[("modbus", str(code), Deed.WRITE) for code in (5, 6, 15, 16, 21, 22, 23)],
        *[("modbus", str(code), Deed.DIAGNOSTIC) for code in (8, 43)],
        ("modbus", "WRITE_SINGLE_COIL", Deed.WRITE),
        ("modbus", "WRITE_SINGLE_COIL_EXCEPTION", Deed.WRITE),
        ("modbus", "0x85", Deed.WRITE),  # its exception
        ("modbus", "unknown-100", Deed.UNKNOWN),
        ("modbus", "99999", Deed.UNKNOWN),
        ("modbus", "something", Deed.UNKNOWN),
        ("modbus", "", None),
        ("dnp3", "OPERATE", Deed.WRITE),
        ("dnp3", "DIRECT_OPERATE", Deed.WRITE),
        ("dnp3", "13", Deed.RESTART),
        ("dnp3", "READ", Deed.READ),
        ("dnp3", "what", Deed.READ),
        ("http", "5", None),
    ],
)
def test_functions_are_told_apart(protocol: str, function: str, deed: Deed | None) -> None:
    assert deed_of(protocol, function) is deed


def test_a_write_by_nobody_known_is_found_and_names_no_address() -> None:
    (finding,) = Industrial(TERRITORY).detect([modbus()])
    assert (finding.kind, finding.severity) == (FindingKind.INDUSTRIAL, Severity.HIGH)
    assert [one.ident for one in finding.references] == ["T0855", "T0831"]
    assert set(finding.inside) == {INSIDE, "10.9.9.9"}
    assert INSIDE not in finding.reason


def test_an_engineer_may_write_and_everybody_may_read() -> None:
    engineers = Industrial(TERRITORY, IndustrialSettings(engineering=("10.1.2.0/24",)))
    assert engineers.detect([modbus(), modbus(1, "8"), modbus(2, "unknown-90")]) == []
    assert Industrial(TERRITORY).detect([modbus(0, "3"), modbus(1, "READ", kind="dnp3")]) == []


def test_a_cold_restart_of_an_outstation_is_found() -> None:
    (finding,) = Industrial(TERRITORY).detect([modbus(0, "COLD_RESTART", kind="dnp3")])
    assert "T0816" in {one.ident for one in finding.references}


def test_one_talker_and_function_is_one_finding_a_day() -> None:
    assert len(Industrial(TERRITORY).detect([modbus(second) for second in range(100)])) == 1


def flow(second: float, source: str = INSIDE, port: int = 502, kind: str = "flow") -> Record:
    return record(kind, second, source=source, target=("10.9.9.9", port))


def test_a_new_talker_is_found_once_a_week_was_learned() -> None:
    assert Industrial(TERRITORY).detect([flow(0), flow(WEEK - 1, INSIDE_TOO)]) == []
    detector = Industrial(TERRITORY)
    (finding,) = detector.detect([flow(0), flow(WEEK, INSIDE_TOO), flow(WEEK + 1), flow(WEEK + 2, INSIDE_TOO)])
    assert finding.subjects == (f"ipv4:{INSIDE_TOO}",)
    assert finding.severity is Severity.LOW


def test_other_ports_and_engineers_are_no_new_talkers() -> None:
    engineers = Industrial(TERRITORY, IndustrialSettings(engineering=(f"{INSIDE_TOO}/32",)))
    assert engineers.detect([flow(0), flow(WEEK, INSIDE_TOO), flow(WEEK, PEER, port=443)]) == []


@pytest.mark.parametrize(("exceptions", "of", "count"), [(2, 20, 0), (3, 20, 1), (19, 19, 0)])
def test_more_than_a_tenth_of_exceptions_in_a_minute_is_found(exceptions: int, of: int, count: int) -> None:
    answers = [modbus(second, "3", exception="2" if second >= of - exceptions else None) for second in range(of)]
    findings = Industrial(TERRITORY).detect(answers)
    assert len(findings) == count
    assert all("T0814" in {one.ident for one in finding.references} for finding in findings)


def test_exceptions_over_several_minutes_do_not_add_up() -> None:
    answers = [modbus(60 * minute + 1, "3", exception="2") for minute in range(40)]
    assert Industrial(TERRITORY).detect(answers) == []


# --- lookalikes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "severity"), [("dns", 2), ("tls", 3), ("http", 3)])
def test_a_lookalike_that_was_asked_for_or_reached_is_found(kind: str, severity: int) -> None:
    (finding,) = LookalikeDomains(ENGINE).detect([named("www.secure-northseaport.com", kind=kind)])
    assert finding.subjects == ("domain:secure-northseaport.com", "domain:www.secure-northseaport.com")
    assert finding.severity == severity
    assert finding.inside == (INSIDE,)


def test_a_stranger_before_whose_domain_our_name_stands_is_not_blamed() -> None:
    (finding,) = LookalikeDomains(ENGINE).detect([named("northseaport.com.login-portal.com")])
    assert finding.subjects == ("domain:northseaport.com.login-portal.com",)


def test_a_registered_name_is_found_once_a_day_and_again_when_it_is_reached() -> None:
    seen = [named("a.northseaport.co"), named("b.northseaport.co", 9), named("northseaport.co", 10, kind="tls")]
    assert [one.severity for one in LookalikeDomains(ENGINE).detect(seen)] == [2, 3]


def test_our_own_names_and_other_records_are_no_lookalikes() -> None:
    seen = [named("www.northseaport.com"), named("example.org"), named("northseaport.co", kind="notice"), record("dns")]
    assert LookalikeDomains(ENGINE).detect(seen) == []


# --- mail ---------------------------------------------------------------------------------------------------------


def post(*mails: Record, persons: tuple[str, ...] = ("Jan de Vries",)) -> list[Finding]:
    return MailFraud(ENGINE, persons).detect(mails)


def test_mail_from_a_lookalike_is_found() -> None:
    (finding,) = post(mail(sender="ceo@northseap0rt.com"))
    assert finding.subjects == ("domain:northseap0rt.com",)
    assert "finance@northseaport.com" not in finding.reason


def test_an_answer_to_a_lookalike_is_found() -> None:
    (finding,) = post(mail(reply_to="ceo@northseap0rt.com"))
    assert finding.subjects == ("domain:northseap0rt.com",)


@pytest.mark.parametrize(
    "changes",
    [{"spf": "fail"}, {"dmarc": "fail"}, {"spf": "softfail"}, {"reply_to": "other@example.net"}],
)
def test_a_protected_name_from_a_foreign_address_that_fails_is_found(changes: dict[str, Any]) -> None:
    (finding,) = post(mail(display_name="De Vries, Ján", **changes))
    assert finding.subjects == ("email:jan@example.org",)
    assert "Vries" not in finding.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"display_name": "Jan de Vries"},  # nothing failed: his own address at home
        {"display_name": "Jan de Vries", "reply_to": "jan@example.org"},
        {"display_name": "Jan Jansen", "spf": "fail"},
        {"display_name": "Jan de Vries", "spf": "fail", "sender": "jan@mail.northseaport.com"},  # ours: not for here
        {"display_name": None, "spf": "fail"},
        {"display_name": "Jan de Vries", "spf": "fail", "sender": None},
    ],
)
def test_other_mail_is_left_alone(changes: dict[str, Any]) -> None:
    assert post(mail(**changes)) == []


def test_another_account_of_a_known_supplier_is_found_and_tells_to_call() -> None:
    first, other = (mail(at, supplier="ACME", iban=iban) for at, iban in enumerate(IBANS[:2]))
    (finding,) = post(first, other)
    assert "on the number you know" in finding.reason
    assert finding.subjects == ("supplier:acme",)
    assert IBANS[1] in finding.inside
    assert IBANS[1] not in finding.reason


def test_a_first_account_the_same_account_and_a_number_that_is_none_are_left_alone() -> None:
    same = mail(1, supplier="acme ", iban=IBANS[0].replace(" ", "").lower())
    wrong = mail(2, supplier="ACME", iban="BE68 5390 0754 7035")
    nobody = mail(3, iban=IBANS[1])
    assert post(mail(supplier="ACME", iban=IBANS[0]), same, wrong, nobody) == []


# --- accounts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["device", "bank", "phone"])
def test_three_accounts_of_one_hand_within_a_week_are_found(what: str) -> None:
    made = [account(f"a{number}", number * DAY, **{what: "d1"}) for number in range(3)]
    assert AccountFraud().detect(made[:2]) == []
    (finding,) = AccountFraud().detect(made)
    assert finding.kind is FindingKind.ACCOUNT_FRAUD
    assert finding.inside == ("a0", "a1", "a2")
    assert finding.numbers["accounts"].value == 3


def test_a_week_is_seven_days_and_no_more() -> None:
    made = [account("a", 0, bank="d"), account("b", 1, bank="d"), account("c", WEEK, bank="d")]
    assert AccountFraud().detect(made) == []
    assert len(AccountFraud().detect([*made[:2], account("c", WEEK - 1, bank="d")])) == 1


def test_the_same_account_told_three_times_is_one() -> None:
    assert AccountFraud().detect([account("a", second, device="d") for second in range(3)]) == []


def test_different_values_and_none_do_not_add_up() -> None:
    made = [account("a", bank="1"), account("b", bank="2"), account("c", device="1"), account("d"), account("e")]
    assert AccountFraud().detect(made) == []


def test_a_document_used_twice_is_found() -> None:
    (finding,) = AccountFraud().detect([account("a", document="x"), account("b", 30 * DAY, document="x")])
    assert "document" in finding.reason
    assert AccountFraud().detect([account("a", document="x"), account("b", document="y")]) == []
    assert AccountFraud().detect([account("a", document="x"), account("b", 90 * DAY, document="x")]) == []


# --- beacons ------------------------------------------------------------------------------------------------------


def calls(gaps: Sequence[float], **given: Any) -> list[Record]:
    at, made = 0.0, []
    for gap in (0.0, *gaps):
        at += gap
        made.append(record("flow", at, source=INSIDE, target=(given.get("to", PEER), given.get("port", 443))))
    return made


def test_twenty_calls_at_even_intervals_are_found() -> None:
    (finding,) = Beacon(TERRITORY).detect(calls([60] * 19))
    assert (finding.subjects, finding.severity) == ((f"ipv4:{PEER}",), Severity.LOW)
    assert Beacon(TERRITORY).detect(calls([60] * 18)) == []


@pytest.mark.parametrize(
    "seen",
    [
        calls([60, 90] * 15),  # uneven
        calls([1] * 40),  # one conversation
        calls([60] * 30, port=123),
        calls([60] * 30, to=OTHER_PEER),
        calls([60] * 30, to=INSIDE_TOO),
        calls([0] * 30),
    ],
)
def test_other_calls_are_left_alone(seen: list[Record]) -> None:
    assert Beacon(TERRITORY).detect(seen) == []


# --- all of them --------------------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[], RecordDetector]] = {
    "alerts": lambda: CyberAlerts(TERRITORY, AlertSettings(peers=5, kept=4)),
    "industrial": lambda: Industrial(TERRITORY, IndustrialSettings(pairs=5, minutes=5)),
    "lookalike": lambda: LookalikeDomains(ENGINE),
    "mail": lambda: MailFraud(ENGINE, ("Jan de Vries",)),
    "accounts": lambda: AccountFraud(AccountSettings(values=5, kept=4)),
    "folded": lambda: Folding(CyberAlerts(TERRITORY), FoldingSettings(subjects=1, stored=1)),
    "beacon": lambda: Beacon(TERRITORY, BeaconSettings(pairs=5, flows=5)),
}
ADDRESSES = st.sampled_from([INSIDE, INSIDE_TOO, PEER, OTHER_PEER, OWN_PUBLIC, "2001:db8::1", "::1", "x"])
DIGEST = st.none() | st.text("abcdefgh", min_size=1, max_size=2)
SECOND = st.integers(-2 * WEEK, 2 * WEEK)
RECORDS = st.one_of(
    st.builds(alert, SECOND, source=ADDRESSES, target=ADDRESSES, sid=st.integers(1, 9)),
    st.builds(modbus, SECOND, st.text("0123456789unkow-", max_size=12), source=ADDRESSES, exception=DIGEST),
    st.builds(flow, SECOND, ADDRESSES, st.sampled_from([502, 443])),
    st.builds(named, st.sampled_from(["northseaport.co", "a.b", "secure-northseaport.com", "\u00e9"]), SECOND),
    st.builds(mail, SECOND, sender=st.emails() | st.none(), iban=st.sampled_from([*IBANS, "x"]), supplier=DIGEST),
    st.builds(account, st.text("abc", min_size=1, max_size=3), SECOND, device=DIGEST, bank=DIGEST, document=DIGEST),
)


@pytest.mark.parametrize("name", MAKERS)
@given(records=st.lists(RECORDS, max_size=30))
def test_the_same_records_give_the_same_findings_in_any_batches(name: str, records: list[Record]) -> None:
    whole, piecewise = MAKERS[name](), MAKERS[name]()
    found = whole.detect(records)
    assert [one for record in records for one in piecewise.detect([record])] == found
    assert MAKERS[name]().detect(records) == found
    for finding in found:
        assert finding.detector == label(whole)
        assert 0 <= finding.confidence <= 75
        assert finding.evidence


@given(st.lists(RECORDS, max_size=60))
def test_no_detector_remembers_more_than_it_may(records: list[Record]) -> None:
    alerts, industrial = (
        CyberAlerts(TERRITORY, AlertSettings(peers=2, kept=2)),
        Industrial(TERRITORY, IndustrialSettings(pairs=3, minutes=2)),
    )
    accounts, beacon = AccountFraud(AccountSettings(values=3, kept=2)), Beacon(TERRITORY, BeaconSettings(pairs=3))
    post_ = MailFraud(ENGINE)
    for detector in (alerts, industrial, accounts, beacon, post_):
        detector.detect(records)
    assert len(alerts.peers) <= 2
    assert all(len(peer.targets) <= 2 and len(peer.rules) <= 2 for peer in alerts.peers.values())
    assert (len(industrial.pairs) <= 3, len(industrial.minutes) <= 2) == (True, True)
    assert len(accounts.values) <= 3
    assert all(len(value.records) <= 2 for value in accounts.values.values())
    assert len(beacon.pairs) <= 3
    assert all(len(known) <= ACCOUNTS for known in post_.suppliers.values())


def test_long_lines_are_evidence_once_and_not_remembered() -> None:
    long = alert(raw=b"x" * 200_000, digest=b"1", facts={"url:value": ("y" * 2_000,)})
    detector = CyberAlerts(TERRITORY)
    (first,), (second,) = detector.detect([long]), detector.detect([alert(1, sid=2)])
    assert [len(one.line) for one in first.evidence] == [200_000]
    assert [len(one.line) < 2_048 for one in second.evidence] == [True]
    assert all(not one.facts for peer in detector.peers.values() for one in peer.kept)
    accounts = AccountFraud()
    made = accounts.detect([account(f"a{n}", n, device="d", raw=bytes(5_000), digest=bytes([n])) for n in range(3)])
    assert len(made) == 1
    assert sum(len(one.raw) for value in accounts.values.values() for one in value.records) == 0
    assert [len(one.line) for one in made[0].evidence] == [5_000]


def test_what_was_raised_is_bounded_too() -> None:
    raised = Raised(timedelta(hours=1), most=3)
    assert all(raised.now(number, BEGIN) for number in range(10))
    assert len(raised) == 3
    assert not raised.now(9, BEGIN - timedelta(minutes=59))
    assert raised.now(0, BEGIN)  # forgotten, so raised again rather than never


def addresses(count: int, begin: int = 0) -> list[str]:
    return [f"93.184.{number // 200}.{number % 200 + 1}" for number in range(begin, begin + count)]


def test_a_flood_of_forged_senders_is_folded_into_one_finding() -> None:
    detector = Folding(CyberAlerts(TERRITORY))
    findings = detector.detect([alert(second, source=source) for second, source in enumerate(addresses(200))])
    drafts, folded = ([one for one in findings if one.folded is is_folded] for is_folded in (False, True))
    assert (len(drafts), len(folded)) == (51, 150)
    (flood,) = [one for one in drafts if one.subjects == ("flood:cyber-alerts",)]
    assert (flood.severity, flood.detector) == (Severity.HIGH, "cyber-alerts@1")
    assert "More than 50 findings of cyber-alerts" in flood.reason


def test_exactly_as_many_as_an_hour_bears_are_no_flood_and_the_next_hour_bears_as_many() -> None:
    detector = Folding(CyberAlerts(TERRITORY))
    first = [alert(second, source=source) for second, source in enumerate(addresses(50))]
    later = [alert(3700 + second, source=source) for second, source in enumerate(addresses(50, begin=50))]
    assert not any(one.folded or one.subjects[0].startswith("flood") for one in detector.detect([*first, *later]))


def test_a_flood_hides_nothing_of_what_was_open_before() -> None:
    detector = Folding(CyberAlerts(TERRITORY))
    detector.detect([alert(), *(alert(1 + n, source=source) for n, source in enumerate(addresses(200)))])
    (finding,) = detector.detect([alert(300, sid=77)])
    assert (finding.subjects, finding.folded) == ((f"ipv4:{PEER}",), False)


def test_a_flood_that_goes_on_is_told_each_hour_and_stored_within_a_bound() -> None:
    detector = Folding(CyberAlerts(TERRITORY), FoldingSettings(subjects=2, stored=5))
    floods = []
    for hour in range(3):
        sent = [alert(3600 * hour + n, source=one) for n, one in enumerate(addresses(30, begin=100 * hour))]
        findings = detector.detect(sent)
        assert sum(one.folded for one in findings) <= 5
        floods += [one.id for one in findings if one.subjects[0].startswith("flood")]
        assert len(detector.open) <= 2
    assert len(set(floods)) == 3


@pytest.mark.parametrize(
    ("source_class", "confidence", "alone"),
    [(SourceClass.OPEN_RADIO, 50, True), (SourceClass.LOCAL, 75, False), (SourceClass.AUTHENTICATED, 80, False)],
)
def test_a_sensor_is_believed_as_far_as_its_way_in(source_class: SourceClass, confidence: int, alone: bool) -> None:
    seen = [alert(at, sid=at + 1, source_class=source_class) for at in range(2)]
    finding = CyberAlerts(TERRITORY).detect(seen)[1]
    assert (finding.confidence, finding.single_open_source) == (confidence, alone)


def test_settings_make_every_detector() -> None:
    settings = CyberSettings(
        own_networks=("193.191.1.0/24",),
        engineering=("10.1.2.0/24",),
        own_domains=("northseaport.com",),
        brands=("portal",),
        protected_persons=("Jan de Vries",),
    )
    made = cyber_detectors(settings, {"nsport.com": ("northseaport.com", "omission")})
    records = [
        alert(source=OWN_PUBLIC, target=PEER),
        modbus(),
        modbus(source=INSIDE_TOO.replace("10.1.2", "10.1.3")),
        named("nsport.com"),
        mail(sender="x@secure-northseaport.com"),
    ]
    names = [finding.detector for detector in made for finding in detector.detect(records)]
    assert names == ["cyber-alerts@1", "industrial@1", "lookalike@1", "mail-fraud@1"]
    assert len({label(one) for one in made}) == len(made) == 6
