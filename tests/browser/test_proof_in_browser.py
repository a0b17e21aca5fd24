"""The browser's own check of a proof bundle agrees with the product's, and names the part that was tampered with."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from port2port import bundle, checkpoint, merkle
from port2port.keys import PublicKey
from port2port.tlp import Tlp
from port2port.v1 import envelope_pb2
from port2port.wire import decode_envelope, encode_envelope
from tests.fakes.map_page import MapPage, map_page, served
from tests.fakes.passkey import Passkey
from tests.fakes.trust_log import FakeLog, founded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from port2port.envelope import SignedEnvelope
    from tests.fakes.federation import Federation

pytestmark = pytest.mark.slow

PARTS = ["genesis", "checkpoint", "roster", "signature", "objects", "inclusion", "witnesses", "disputed", "rules"]
ALL_MATCH = dict.fromkeys(PARTS, "match") | {"rules": "cannot"}
PORTS = ("beanr", "belgg", "north-sea-port")


def scene() -> tuple[Federation, FakeLog, int]:
    """A log with joins, a group, a change of key and content before and after the entry of the bundle."""
    fed, log = founded(coordinators=2, members=PORTS, witnesses=PORTS)
    log.append(fed.group("seaports", "beanr", "north-sea-port"), fed.publish("beanr"), fed.rekey("beanr"))
    fed.clock.advance(60)
    index = log.append(fed.publish("north-sea-port", tlp=Tlp.AMBER, groups=("seaports",)))
    log.append(fed.publish("belgg"), fed.publish("beanr"), fed.join("bebru"))
    return fed, log, index


FED, LOG, INDEX = scene()
MADE = LOG.bundle(INDEX, witnesses=("beanr", "belgg"))


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[MapPage]:
    with served() as address, map_page(chromium, address) as found:
        yield found.open()


def results(page: MapPage, raw: bytes, genesis: str = FED.genesis_hash) -> list[dict[str, Any]]:
    return page.run(
        "([raw, genesis]) => p2p.proof.checkBundle(p2p.bytes.fromBase64(raw), genesis)",
        [base64.b64encode(raw).decode(), genesis],
    )


def outcomes(page: MapPage, raw: bytes, genesis: str = FED.genesis_hash) -> dict[str, str]:
    return {item["part"]: item["outcome"] for item in results(page, raw, genesis)}


def flipped(raw: bytes, at: int = -1) -> bytes:
    """The same bytes with one bit the other way."""
    changed = bytearray(raw)
    changed[at] ^= 1
    return bytes(changed)


def with_entry(**changes: object) -> bytes:
    return bundle.encode(dataclasses.replace(MADE, entry=dataclasses.replace(MADE.entry, **changes)))  # type: ignore[arg-type]  # by name


def with_envelope(change: Callable[[SignedEnvelope], SignedEnvelope]) -> bytes:
    """The bundle with another envelope as its entry; ``change`` gets the parsed one."""
    return with_entry(envelope=repacked(MADE.entry.envelope, change))


def repacked(raw: bytes, change: Callable[[SignedEnvelope], SignedEnvelope]) -> bytes:
    changed = change(decode_envelope(raw))
    return encode_envelope(changed.signed, changed.objects)


def other_statement(envelope: SignedEnvelope) -> SignedEnvelope:
    at = envelope.statement.index(b"urn:uuid:") + 12
    digit = b"0" if envelope.statement[at : at + 1] != b"0" else b"1"
    return resigned(envelope, statement=envelope.statement[:at] + digit + envelope.statement[at + 1 :])


def other_signature(envelope: SignedEnvelope) -> SignedEnvelope:
    first, *rest = envelope.signatures
    return resigned(envelope, signatures=(dataclasses.replace(first, sig=flipped(first.sig)), *rest))


def other_object(envelope: SignedEnvelope) -> SignedEnvelope:
    first, *rest = envelope.objects
    return dataclasses.replace(envelope, objects=(dataclasses.replace(first, body=flipped(first.body, 20)), *rest))


def other_salt(envelope: SignedEnvelope) -> SignedEnvelope:
    first, *rest = envelope.objects
    return dataclasses.replace(envelope, objects=(dataclasses.replace(first, salt=flipped(first.salt)), *rest))


def erased(envelope: SignedEnvelope) -> SignedEnvelope:
    return dataclasses.replace(envelope, objects=())


def resigned(envelope: SignedEnvelope, **changes: object) -> SignedEnvelope:
    """With the protobuf SignedStatement made anew."""
    changed = dataclasses.replace(envelope, **changes)  # type: ignore[arg-type]  # by name
    signatures = [envelope_pb2.Signature(keyid=bytes.fromhex(item.key_id), sig=item.sig) for item in changed.signatures]
    signed = envelope_pb2.SignedStatement(
        payload_type=changed.payload_type, statement=changed.statement, signatures=signatures
    )
    return dataclasses.replace(changed, signed=signed.SerializeToString(deterministic=True))


def other_root() -> bytes:
    note = MADE.checkpoint
    head = dataclasses.replace(note.checkpoint, root=flipped(note.checkpoint.root))
    return bundle.encode(dataclasses.replace(MADE, checkpoint=dataclasses.replace(note, checkpoint=head)))


def other_line(at: int) -> bytes:
    """A bit of one signature line of the checkpoint: 0 is the log's."""
    lines = list(MADE.checkpoint.signatures)
    lines[at] = dataclasses.replace(lines[at], signature=flipped(lines[at].signature))
    note = dataclasses.replace(MADE.checkpoint, signatures=tuple(lines))
    return bundle.encode(dataclasses.replace(MADE, checkpoint=note))


def control_with(change: Callable[[SignedEnvelope], SignedEnvelope]) -> bytes:
    first, second, *rest = MADE.control
    spoiled = dataclasses.replace(second, envelope=repacked(second.envelope, change))
    return bundle.encode(dataclasses.replace(MADE, control=(first, spoiled, *rest)))


TAMPERED = {
    "a bit of the statement": (with_envelope(other_statement), {"signature", "inclusion"}),
    "a bit of the signature": (with_envelope(other_signature), {"signature", "inclusion"}),
    "a bit of the object": (with_envelope(other_object), {"objects"}),
    "a bit of the salt": (with_envelope(other_salt), {"objects"}),
    "a bit of the path": (
        with_entry(path=(flipped(MADE.entry.path[0]), *MADE.entry.path[1:])),
        {"inclusion"},
    ),
    "a hash too many": (with_entry(path=(*MADE.entry.path, MADE.entry.path[0])), {"inclusion"}),
    "a hash too few": (with_entry(path=MADE.entry.path[:-1]), {"inclusion"}),
    "another place": (with_entry(index=MADE.entry.index - 1), {"inclusion"}),
    "another time": (with_entry(received_ms=MADE.entry.received_ms + 1), {"inclusion"}),
    "a bit of the root": (other_root(), {"checkpoint", "inclusion", "roster"}),
    "a bit of the log's signature": (other_line(0), {"checkpoint"}),
    "a bit of a cosignature": (other_line(1), {"witnesses"}),
    "a bit of a control entry": (control_with(other_signature), {"roster"}),
}


def test_an_honest_bundle_matches_in_every_part(page: MapPage) -> None:
    found = results(page, bundle.encode(MADE))
    assert {item["part"]: item["outcome"] for item in found} == ALL_MATCH
    facts = {item["part"]: item["facts"] for item in found}
    assert facts["witnesses"] == {"names": ["beanr", "belgg"]}
    voices = {voice["keyId"]: (voice["keyClass"], voice["pseudonym"]) for voice in facts["signature"]["voices"]}
    assert voices[FED.ports["north-sea-port"].machine.key_id] == ("machine", None)
    assert sorted(voices.values(), key=str) == [("machine", None), ("officer", "o1")]
    bundle.check(bundle.encode(MADE), FED.genesis_hash, FED.validate)


@pytest.mark.parametrize("index", range(len(LOG.raws)))
def test_every_entry_of_the_log_is_proved_as_the_product_proves_it(page: MapPage, index: int) -> None:
    raw = bundle.encode(LOG.bundle(index, witnesses=PORTS))
    bundle.check(raw, FED.genesis_hash, FED.validate)
    assert outcomes(page, raw) == ALL_MATCH


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_is_named(page: MapPage, what: str) -> None:
    raw, wrong = TAMPERED[what]
    found = outcomes(page, raw)
    assert {part for part, outcome in found.items() if outcome == "mismatch"} == wrong
    assert {found[part] for part in wrong} == {"mismatch"}
    with pytest.raises(Exception, match=r".") as raised:
        bundle.check(raw, FED.genesis_hash, FED.validate)
    assert hasattr(raised.value, "code")


def test_another_genesis_proves_nothing(page: MapPage) -> None:
    found = outcomes(page, bundle.encode(MADE), "00" * 32)
    assert found == dict.fromkeys(PARTS, "cannot") | {"genesis": "mismatch"}


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"type":"p2p-bundle"}', b"null"], ids=repr)
def test_what_is_no_bundle_is_a_mismatch_and_never_an_accident(page: MapPage, raw: bytes) -> None:
    assert outcomes(page, raw)["genesis"] == "mismatch"


def test_an_unsorted_bundle_is_refused_as_the_product_refuses_it(page: MapPage) -> None:
    value = json.loads(bundle.encode(MADE))
    raw = json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode()
    assert results(page, raw)[0]["reason"] == "not-canonical"


def test_erased_objects_are_said_to_be_uncheckable(page: MapPage) -> None:
    found = results(page, with_envelope(erased))
    assert [(item["outcome"], item["reason"]) for item in found if item["part"] == "objects"] == [("cannot", "erased")]


def test_too_few_witnesses_are_said_and_are_no_match(page: MapPage) -> None:
    found = results(page, bundle.encode(LOG.bundle(INDEX, witnesses=("beanr",))))
    assert next(item for item in found if item["part"] == "witnesses") == {
        "part": "witnesses", "outcome": "cannot", "reason": "unwitnessed", "facts": {"names": ["beanr"]},
    }  # fmt: skip


def test_a_key_revoked_later_makes_the_entry_disputed(page: MapPage) -> None:
    fed, log, index = scene()
    before = fed.clock.now()
    fed.clock.advance(3_600)
    log.append(fed.revoke_key(fed.ports["north-sea-port"].machine.key_id, invalid_since=before))
    raw = bundle.encode(log.bundle(index, witnesses=PORTS))
    assert bundle.check(raw, fed.genesis_hash, fed.validate).disputed
    assert outcomes(page, raw, fed.genesis_hash) == ALL_MATCH | {"disputed": "mismatch"}


def test_every_reason_that_was_given_is_in_the_list_for_the_words(page: MapPage) -> None:
    known = set(page.run("() => p2p.proof.REASONS"))
    given = {item["reason"] for raw, _ in TAMPERED.values() for item in results(page, raw)} - {""}
    assert len(given) > 5
    assert given <= known


LESS = {
    "no-webcrypto": "{}",
    "no-ed25519": """{subtle: {digest: (...given) => real.subtle.digest(...given),
        importKey: async () => { throw new DOMException("not here", "NotSupportedError"); }}}""",
}


@pytest.mark.parametrize(("reason", "crypto"), LESS.items(), ids=LESS)
def test_a_browser_that_cannot_check_says_so_and_shows_no_match(page: MapPage, reason: str, crypto: str) -> None:
    page.run(
        f"""() => {{ const real = globalThis.crypto; p2p.realCrypto ??= Object.getOwnPropertyDescriptor(globalThis, "crypto");
             Object.defineProperty(globalThis, "crypto", {{value: {crypto}, configurable: true}}); }}"""
    )
    try:
        found = {item["part"]: item for item in results(page, bundle.encode(MADE))}
    finally:
        page.run("() => Object.defineProperty(globalThis, 'crypto', p2p.realCrypto) && undefined")
    signed = ["checkpoint", "roster", "signature", "witnesses", "disputed"]
    assert {found[part]["outcome"] for part in signed} == {"cannot"}
    assert reason in {item["reason"] for item in found.values()}


@pytest.mark.parametrize(("first", "second"), [(0, 5), (1, 7), (3, 7), (4, 8), (5, 5), (6, 8)])
def test_two_checkpoints_of_one_log_are_consistent(page: MapPage, first: int, second: int) -> None:
    found = compared(page, LOG.checkpoint(first), LOG.checkpoint(second), proof(first, second))
    assert found == {
        "part": "consistency",
        "outcome": "match",
        "reason": "",
        "facts": {"first": first, "second": second},
    }


def test_a_rewritten_history_is_a_mismatch(page: MapPage) -> None:
    head = checkpoint.Checkpoint(origin=FED.origin, size=4, root=LOG.roots[5])
    found = compared(page, checkpoint.sign(head, FED.log_key), LOG.checkpoint(8), proof(4, 8))
    assert (found["outcome"], found["reason"]) == ("mismatch", "history-differs")
    assert compared(page, LOG.checkpoint(8), LOG.checkpoint(4), ())["reason"] == "shrunk"


def proof(first: int, second: int) -> tuple[bytes, ...]:
    return merkle.consistency_proof(lambda start, end: LOG.leaves[start:end], first=first, second=second)


def compared(page: MapPage, older: Any, newer: Any, path: tuple[bytes, ...]) -> dict[str, Any]:
    key = base64.b64encode(FED.log_key.public).decode()
    return page.run(
        "([older, newer, path, log]) => p2p.proof.compareCheckpoints(older, newer, path, log)",
        [
            older.note.decode(),
            newer.note.decode(),
            [base64.b64encode(item).decode() for item in path],
            {"origin": FED.origin, "logKey": key},
        ],
    )


def test_the_path_is_drawn_with_every_hash(page: MapPage) -> None:
    part = json.loads(bundle.encode(MADE))["entry"]
    steps = page.run(
        """async ([part, note]) => { const steps = await p2p.proof.inclusionSteps(part, note);
             p2p.ladders.drawLadder(document.querySelector("#ladder"), steps); return steps; }""",
        [part, MADE.checkpoint.note.decode()],
    )
    assert steps["steps"][-1]["hash"] == steps["root"] == MADE.checkpoint.checkpoint.root.hex()
    assert steps["leaf"] == LOG.leaves[INDEX].hex()
    drawn = page.page.locator("#ladder svg")
    assert drawn.locator("rect").count() == 1 + 2 * len(steps["steps"])
    assert f"entry {INDEX}" in (drawn.locator("title").text_content() or "")


MESSAGE = b"DSSEv1 what an officer saw"
KEY = Passkey()


def assertions() -> dict[str, tuple[PublicKey, bytes, str]]:
    """Assertions and the reason for which each is refused ("" for none)."""
    good, other = KEY.record(), Passkey(9).record()
    data, client = KEY.authenticator_data(), KEY.client_data(MESSAGE)
    foreign = KEY.client_data(MESSAGE, crossOrigin=True)
    return {
        "honest": (good, KEY.sign(MESSAGE), ""),
        "another key": (other, KEY.sign(MESSAGE), "signature"),
        "another message": (good, KEY.sign(b"something else"), "another-message"),
        "another relying party": (
            good,
            KEY.assertion(KEY.authenticator_data(rp_id="evil.example"), client),
            "another-site",
        ),
        "nobody verified": (good, KEY.assertion(KEY.authenticator_data(flags=1), client), "no-person"),
        "within another site": (good, KEY.assertion(data, foreign), "another-site"),
        "plain http": (good, KEY.assertion(data, KEY.client_data(MESSAGE, origin="http://a.example")), "another-site"),
        "a registration": (
            good,
            KEY.assertion(data, KEY.client_data(MESSAGE, type="webauthn.create")),
            "not-an-assertion",
        ),
        "no JSON": (good, b"signature", "not-json"),
    }


@pytest.mark.parametrize("what", assertions())
def test_an_officers_passkey_is_checked_as_the_product_checks_it(page: MapPage, what: str) -> None:
    key, signature, reason = assertions()[what]
    found = page.run(
        """async ([key, message, signature]) => { const { fromBase64 } = p2p.bytes;
             try { await p2p.signature.checkSignature(key, fromBase64(message), fromBase64(signature)); return ""; }
             catch (error) { return error.code ?? String(error); } }""",
        [key.to_json(), base64.b64encode(MESSAGE).decode(), base64.b64encode(signature).decode()],
    )
    assert found == reason
