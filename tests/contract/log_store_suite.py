"""What every log must do. Subclass it and give a ``log`` fixture that yields an empty log with the clock of ``fed``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hub.store import Head
from hub.transparency import Appended, Candidate, Duplicate, Outcome, Refused
from port2port import merkle
from port2port.checkpoint import log_key, verify_log
from port2port.errors import NotFoundError, PolicyError, ProofError
from port2port.verify import STEPS, Context, EquivocationError, RefusedError, Work, run
from tests.fakes.federation import Federation, statement_of


def candidate(log: Any, raw: bytes) -> Candidate:
    """A candidate that was read and not verified: a log does not depend on who wrote what."""
    context = Context(
        federation="",
        genesis_hash="",
        roster=None,
        index=0,
        received_ms=0,
        last_seq=log.last_seq,
        root_at=log.root_at,
        validate=_never,
    )
    return Candidate(work=run(STEPS[:7], Work(raw=raw, context=context)))


def _never(_raw: bytes) -> Any:
    raise AssertionError("a log validates nothing")


def notes(fed: Federation, count: int, member: str = "beanr") -> list[bytes]:
    """Envelopes of notes without objects: quick to make."""
    return [fed.content(member, "note") for _ in range(count)]


def append(log: Any, raws: Sequence[bytes], judge: Any = None) -> list[Outcome]:
    return log.append([candidate(log, raw) for raw in raws], judge)


def error_of(outcome: Outcome) -> Exception:
    assert isinstance(outcome, Refused), outcome
    return outcome.error


class Deciding:
    """A judge that refuses what ``refuses`` says and remembers what it was asked."""

    def __init__(self, refuses: Callable[[Candidate], bool] = lambda _: False) -> None:
        self.asked: list[tuple[int, int]] = []
        self._refuses = refuses

    def begin(self, connection: object, head: Head, group: Sequence[Candidate]) -> None:
        pass

    def judge(self, item: Candidate, index: int, received_ms: int) -> None:
        self.asked.append((index, received_ms))
        if self._refuses(item):
            raise PolicyError("refused by the judge")

    def end(self, stamp: tuple[int, bytes]) -> None:
        pass


class LogStoreSuite:
    @pytest.fixture
    def fed(self) -> Federation:
        return Federation()

    def test_an_empty_log_has_the_empty_root(self, log: Any) -> None:
        head = log.head()
        assert (head.next, head.root) == (0, merkle.EMPTY_ROOT)
        assert log.root_at(0) == merkle.EMPTY_ROOT
        assert log.root_at(1) is None
        assert log.leaves(0, 10) == []

    def test_entries_get_consecutive_indices_and_the_root_of_rfc_6962_after_each(
        self, log: Any, fed: Federation
    ) -> None:
        raws = notes(fed, 11)
        outcomes = append(log, raws[:4]) + append(log, raws[4:5]) + append(log, raws[5:])
        assert [item.index for item in outcomes if isinstance(item, Appended)] == list(range(11))
        leaves = log.leaves(0, 100)
        assert [log.root_at(size) for size in range(12)] == [merkle.root_of(leaves[:size]) for size in range(12)]
        assert log.head().root == merkle.root_of(leaves)

    def test_the_leaf_is_that_of_the_statement_at_its_time(self, log: Any, fed: Federation) -> None:
        (raw,) = notes(fed, 1)
        (outcome,) = append(log, [raw])
        assert isinstance(outcome, Appended)
        assert log.leaves(0, 1) == [candidate(log, raw).leaf_hash(outcome.received_ms)]

    def test_the_same_statement_is_logged_once(self, log: Any, fed: Federation) -> None:
        raws = notes(fed, 3)
        first = append(log, [raws[0], raws[1], raws[0]])
        assert isinstance(first[2], Duplicate)
        assert first[2].index == 0
        fed.clock.advance(60)
        later = append(log, [raws[1], raws[2]])
        assert isinstance(later[0], Duplicate)
        assert isinstance(first[1], Appended)
        assert (later[0].index, later[0].received_ms) == (1, first[1].received_ms)
        assert isinstance(later[1], Appended)
        assert later[1].index == 2
        assert log.head().next == 3

    def test_a_reused_sequence_number_is_refused_within_a_group_and_later(self, log: Any, fed: Federation) -> None:
        high, low, next_low = (fed.content("beanr", "note", seq=seq) for seq in (10, 9, 8))
        outcomes = append(log, [high, low])
        assert error_of(outcomes[1]).cause_code == "CONFLICT"
        assert error_of(append(log, [next_low])[0]).cause_code == "CONFLICT"
        assert log.head().next == 1

    def test_the_same_sequence_number_with_other_content_is_equivocation(self, log: Any, fed: Federation) -> None:
        append(log, [fed.content("beanr", "note", seq=5)])
        error = error_of(append(log, [fed.content("beanr", "note", seq=5)])[0])
        assert isinstance(error, RefusedError)
        assert error.cause_code == EquivocationError.code
        assert error.number == 11

    def test_gaps_in_a_sequence_are_allowed_and_keys_do_not_share_one(self, log: Any, fed: Federation) -> None:
        raws = [
            fed.content("beanr", "note", seq=3),
            fed.content("belgg", "note", seq=1),
            fed.content("beanr", "note", seq=90),
        ]
        assert all(isinstance(item, Appended) for item in append(log, raws))

    def test_a_statement_id_is_used_once_by_each_issuer(self, log: Any, fed: Federation) -> None:
        (raw,) = notes(fed, 1)
        ident = statement_of(raw).id
        append(log, [raw])
        own, other = fed.content("beanr", "note", id=ident), fed.content("belgg", "note", id=ident)
        refused, accepted = append(log, [own, other])
        assert error_of(refused).code == "CONFLICT"
        assert isinstance(accepted, Appended)

    def test_what_the_judge_refuses_takes_no_index_and_no_sequence_number(self, log: Any, fed: Federation) -> None:
        raws = [fed.content("beanr", "note", seq=seq) for seq in (1, 2, 3)]
        judge = Deciding(lambda item: item.work.said.seq == 2)
        outcomes = append(log, raws, judge)
        assert [type(item) for item in outcomes] == [Appended, Refused, Appended]
        assert [index for index, _ in judge.asked] == [0, 1, 1]
        assert log.head().next == 2

    def test_the_judge_is_not_asked_about_duplicates(self, log: Any, fed: Federation) -> None:
        (raw,) = notes(fed, 1)
        append(log, [raw])
        judge = Deciding(lambda _: True)
        assert isinstance(append(log, [raw], judge)[0], Duplicate)
        assert judge.asked == []

    def test_the_time_never_goes_back_along_the_log(self, log: Any, fed: Federation) -> None:
        (first,) = append(log, notes(fed, 1))
        fed.clock.step(-3_600)
        (second,) = append(log, notes(fed, 1))
        fed.clock.step(+7_200)
        (third,) = append(log, notes(fed, 1))
        assert isinstance(first, Appended)
        assert isinstance(second, Appended)
        assert isinstance(third, Appended)
        assert first.received_ms == second.received_ms == third.received_ms - 3_600_000

    def test_every_leaf_is_proven_in_every_later_tree(self, log: Any, fed: Federation) -> None:
        append(log, notes(fed, 9))
        leaves = log.leaves(0, 9)
        for size in (1, 4, 7, 9):
            for index in range(size):
                path = log.inclusion(index, size)
                merkle.verify_inclusion(leaves[index], index=index, size=size, proof=path, root=log.root_at(size))

    def test_every_tree_is_the_beginning_of_every_later_one(self, log: Any, fed: Federation) -> None:
        append(log, notes(fed, 9))
        for first in range(10):
            proof = log.consistency(first, 9)
            merkle.verify_consistency(
                first=first, second=9, first_root=log.root_at(first), second_root=log.root_at(9), proof=proof
            )

    def test_proofs_beyond_the_log_are_refused(self, log: Any, fed: Federation) -> None:
        append(log, notes(fed, 2))
        with pytest.raises(NotFoundError):
            log.inclusion(0, 3)
        with pytest.raises(NotFoundError):
            log.consistency(1, 3)
        with pytest.raises(ProofError):
            log.inclusion(2, 2)
        with pytest.raises(NotFoundError):
            log.checkpoint(3)

    def test_checkpoints_of_every_size_are_signed_by_the_log_and_always_the_same(
        self, log: Any, fed: Federation
    ) -> None:
        append(log, notes(fed, 3))
        verifier = log_key(fed.origin, fed.log_key.public)
        for size in range(4):
            signed = log.checkpoint(size)
            assert verify_log(signed, verifier).root == log.root_at(size)
            assert log.checkpoint(size).note == signed.note
        assert log.checkpoint().checkpoint.size == 3

    def test_the_sizes_of_groups_do_not_change_the_log(self, log: Any, fed: Federation) -> None:
        raws = notes(fed, 40)
        for start, end in ((0, 1), (1, 8), (8, 39), (39, 40)):
            append(log, raws[start:end])
        stamp = fed.clock.now()
        expected = [candidate(log, raw).leaf_hash(int(stamp.timestamp() * 1000)) for raw in raws]
        assert log.leaves(0, 100) == expected

    def test_a_logged_statement_is_found_by_its_digest(self, log: Any, fed: Federation) -> None:
        raws = notes(fed, 2)
        append(log, raws)
        assert log.find(candidate(log, raws[1]).work.digest)[0] == 1
        assert log.find(bytes(32)) is None
