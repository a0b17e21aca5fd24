"""The attestation that the hub makes of an entry: what it proves, when it is made again, and what has none."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from hub.tables import BODY, LEAF
from hub.taxii.attesting import Attestor
from hub.transparency import Cosigning
from port2port import merkle
from port2port.checkpoint import cosign, log_key, parse_proof, verify_cosignatures, verify_log
from port2port.clock import from_ms, to_text
from port2port.database import sqlite_url
from port2port.envelope import digest_of, leaf_data
from port2port.errors import InvariantError
from port2port.patterns import TemplateCache
from port2port.statement import commit, decode
from port2port.stix.markings import TLP_IDS
from port2port.stix.normalise import normalise
from port2port.stix.profile import EXERCISE_EXTENSION, OUTLET_TYPES
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from port2port.wire import decode_envelope, encode_envelope
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core

WITNESSES = ("beanr", "belgg", "north-sea-port")
OUTLET = StixValidator(TemplateCache(), types=OUTLET_TYPES)
Story = Callable[[Federation, HubCore, Attestor, list[bytes]], None]


def told(tmp_path: Path, story: Story, *, two: tuple[str, ...] = ()) -> None:
    """A log with the founding, three publications, and the cosignatures of ``two`` over all of it."""

    async def go() -> None:
        fed = Federation(witnesses=WITNESSES)
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            await core.admit_all(fed.founding())
            await core.feed.catch_up()
            drill = fed.indicator("beanr", tlp=Tlp.GREEN)
            raws = [
                fed.publish("beanr", objects=[fed.indicator("beanr") for _ in range(3)]),
                fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",)),
                fed.publish("beanr", objects=[drill], realm="exercise:storm"),
            ]
            await core.admit_all(raws)
            await core.feed.catch_up()
            cosigning = Cosigning(store=core.store, tree=core.log, roster=lambda: core.feed.at)
            for number, name in enumerate(two):
                head = core.log.checkpoint()
                time = int(fed.clock.now().timestamp()) + 60 * number
                line = cosign(head.checkpoint, witness=name, key=fed.ports[name].witness, time=time)
                await cosigning.cosign(name, head.with_signatures([line]).note)
            story(fed, core, Attestor(core.log, federation=fed.name), raws)

    asyncio.run(asyncio.wait_for(go(), 60))


def made(core: HubCore, attestor: Attestor, index: int, *, witnessed: bool = False) -> dict[str, object]:
    def attest(connection: sa.Connection) -> bytes | None:
        roster = core.feed.at.roster
        assert roster is not None
        under = attestor.newest_witnessed(connection, roster) if witnessed else None
        assert (under is not None) == witnessed
        return attestor.attest(connection, index, under=under)

    raw = core.store.database.read_now(attest)
    assert raw is not None
    assert OUTLET.validate(raw).type == "p2p-attestation"
    assert normalise(orjson.loads(raw)) == raw, "stix2 would spell it otherwise"
    return orjson.loads(raw)


def test_it_leads_from_each_object_to_a_checkpoint_of_the_log(tmp_path: Path) -> None:
    def story(fed: Federation, core: HubCore, attestor: Attestor, raws: list[bytes]) -> None:
        found, envelope = made(core, attestor, 2), decode_envelope(raws[0])
        assert b64decode(str(found["signed_statement"])) == envelope.signed
        said = decode(envelope.statement)
        salts = [b64decode(salt) for salt in found["salts"]]
        assert [commit(salt, item.body) for salt, item in zip(salts, envelope.objects, strict=True)] == [
            ref.commitment for ref in said.objects
        ]
        assert found["object_refs"] == [ref.id for ref in said.objects]
        proof = parse_proof(str(found["tlog_proof"]).encode())
        assert (proof.index, proof.signed.checkpoint.size) == (2, 3)
        verify_log(proof.signed, log_key(fed.origin, fed.log_key.public))
        received_ms = found["received_ms"]
        assert isinstance(received_ms, int)
        leaf = leaf_data(
            kind="publish",
            received_ms=received_ms,
            digest=digest_of(envelope.statement),
            signatures=envelope.signatures,
        )
        proof.verify_leaf(merkle.leaf_hash(leaf))
        assert found["created"] == found["modified"] == to_text(from_ms(received_ms))

    told(tmp_path, story)


def test_it_is_marked_as_its_statement_is_and_says_that_it_is_of_an_exercise(tmp_path: Path) -> None:
    def story(_fed: Federation, core: HubCore, attestor: Attestor, _raws: list[bytes]) -> None:
        amber, drill = made(core, attestor, 3), made(core, attestor, 4)
        assert amber["object_marking_refs"] == [TLP_IDS[Tlp.AMBER]]
        assert EXERCISE_EXTENSION not in amber["extensions"]
        assert drill["extensions"][EXERCISE_EXTENSION]["exercise"] == "storm"

    told(tmp_path, story)


def test_folding_again_gives_the_same_bytes_however_long_the_log_has_become(tmp_path: Path) -> None:
    def story(fed: Federation, core: HubCore, attestor: Attestor, _raws: list[bytes]) -> None:
        assert made(core, attestor, 2) == made(core, Attestor(core.log, federation=fed.name), 2)

    told(tmp_path, story)


def test_the_order_in_which_entries_are_asked_for_changes_nothing(tmp_path: Path) -> None:
    def story(fed: Federation, core: HubCore, attestor: Attestor, _raws: list[bytes]) -> None:
        straight = {at: made(core, Attestor(core.log, federation=fed.name), at) for at in (2, 3, 4)}
        for at in (4, 2, 3, 2, 4, 4):
            assert made(core, attestor, at) == straight[at]

    told(tmp_path, story)


def test_a_leaf_that_does_not_lead_to_the_root_is_never_attested(tmp_path: Path) -> None:
    def story(_fed: Federation, core: HubCore, attestor: Attestor, _raws: list[bytes]) -> None:
        core.store.database.write_now(
            lambda c: c.execute(LEAF.update().where(LEAF.c.index == 1).values(leaf_hash=bytes(32)))
        )
        with pytest.raises(InvariantError, match="do not lead"):
            core.store.database.read_now(lambda c: attestor.attest(c, 3))

    told(tmp_path, story)


def test_once_a_majority_co_signed_there_is_a_second_version_under_that_checkpoint(tmp_path: Path) -> None:
    def story(_fed: Federation, core: HubCore, attestor: Attestor, _raws: list[bytes]) -> None:
        first, second = made(core, attestor, 2), made(core, attestor, 2, witnessed=True)
        assert second["id"] == first["id"]
        assert second["created"] == first["created"]
        assert str(second["modified"]) > str(first["modified"])
        proof = parse_proof(str(second["tlog_proof"]).encode())
        assert proof.signed.checkpoint.size == 5
        roster = core.feed.at.roster
        assert roster is not None
        names = [item.witness for item in verify_cosignatures(proof.signed, roster.witness_keys())]
        assert names == ["beanr", "belgg"]
        unlike = {name for name in first if first[name] != second[name]}
        assert unlike == {"modified", "tlog_proof"}

    told(tmp_path, story, two=("beanr", "belgg"))


@pytest.mark.parametrize("few", [(), ("beanr",)])
def test_a_minority_of_witnesses_is_none(tmp_path: Path, few: tuple[str, ...]) -> None:
    def story(_fed: Federation, core: HubCore, attestor: Attestor, _raws: list[bytes]) -> None:
        roster = core.feed.at.roster
        assert roster is not None
        assert core.store.database.read_now(lambda c: attestor.newest_witnessed(c, roster)) is None

    told(tmp_path, story, two=few)


def test_a_control_entry_and_an_erased_one_have_none(tmp_path: Path) -> None:
    def story(_fed: Federation, core: HubCore, attestor: Attestor, raws: list[bytes]) -> None:
        bare = encode_envelope(decode_envelope(raws[0]).signed, ())
        core.store.database.write_now(lambda c: c.execute(BODY.update().where(BODY.c.index == 2).values(envelope=bare)))
        for index in (0, 1, 2):
            assert core.store.database.read_now(lambda c, at=index: attestor.attest(c, at)) is None
        with pytest.raises(InvariantError, match="no such entry"):
            core.store.database.read_now(lambda c: attestor.attest(c, 9))

    told(tmp_path, story)
