from __future__ import annotations

from dataclasses import replace

import pytest

from node.data import starter_places
from node.observations import AisPosition, AisStatic
from node.places import load_places
from node.sensors.parsers.nmea import Fate
from node.simulate import ANTWERP, LIEGE, NORTH_SEA_PORT, Clone, Receiver, Simulation, traffic
from node.simulate.fairways import ANTWERP_REACH, VLISSINGEN_ROADS
from node.simulate.ships import imo_number
from node.visits import MemoryVisits, Verdict, VisitFold, look_back
from port2port.errors import ConfigurationError
from port2port.geo import METRES_PER_NM, haversine_m
from tests.fakes.ais import NOON, Outcome, after, pipeline, received

SCENARIO = Simulation(start=NOON, duration_s=600.0, ships=30, seed=7, clone=Clone(after_s=300.0))
X = "mmsi:205999001"


def heard(receiver: Receiver, simulation: Simulation = SCENARIO) -> Outcome:
    return pipeline(received(line for _, line in traffic(simulation, receiver)))


def test_the_same_settings_give_the_same_bytes_and_another_seed_others() -> None:
    once, again = (list(traffic(SCENARIO, ANTWERP)) for _ in range(2))
    assert once == again
    assert once != list(traffic(replace(SCENARIO, seed=8), ANTWERP))


def test_sentences_come_in_order_and_are_all_understood() -> None:
    offsets = [offset for offset, _ in traffic(SCENARIO, NORTH_SEA_PORT)]
    assert offsets == sorted(offsets)
    outcome = heard(NORTH_SEA_PORT)
    fates = outcome.parser.counters().fates
    assert {fate for fate, count in fates.items() if count} <= {Fate.OBSERVED, Fate.HELD, Fate.DUPLICATE}
    assert sum(outcome.gate.counters().refusals.values()) == 0


def test_each_port_hears_only_what_is_in_its_range() -> None:
    for receiver in (ANTWERP, NORTH_SEA_PORT, LIEGE):
        seen = [one for one in heard(receiver).observations if isinstance(one, AisPosition)]
        assert seen
        assert max(haversine_m(receiver.position, one.position) for one in seen) <= receiver.range_m + 1.0


def test_only_the_port_between_them_finds_the_clone() -> None:
    assert heard(NORTH_SEA_PORT).kinds() == {("IDENTITY_CLONE", X)}
    assert heard(ANTWERP).kinds() == set()
    assert heard(LIEGE).kinds() == set()


def test_without_the_script_nobody_finds_anything() -> None:
    assert heard(NORTH_SEA_PORT, replace(SCENARIO, clone=None)).kinds() == set()


def test_the_finding_tells_the_false_name_from_the_true_one() -> None:
    (finding,) = heard(NORTH_SEA_PORT).findings
    older, newer = finding.discriminators
    assert older.cell.startswith("N51.3E004")
    assert newer.cell.startswith("N51.4E003")
    assert finding.found_at > after(300)


def test_antwerp_saw_the_ship_before_and_liege_looked_and_did_not() -> None:
    places = load_places(starter_places())
    answers = {}
    for receiver in (ANTWERP, LIEGE):
        fold, store = VisitFold(), MemoryVisits()
        fold.fold(heard(receiver).observations, places)
        store.add(*fold.drain())
        answers[receiver.station] = look_back(store, [X], NOON, after(3600)).verdict
    assert answers == {"SIM-ANTWERP": Verdict.SEEN, "SIM-LIEGE": Verdict.LOOKED_NOT_SEEN}


def test_the_two_ships_of_the_script_stay_more_than_ten_miles_apart() -> None:
    apart = [
        haversine_m(ANTWERP_REACH.at(one)[0], VLISSINGEN_ROADS.at(other)[0])
        for one in range(0, 20_000, 500)
        for other in range(0, 30_000, 500)
    ]
    assert min(apart) > 15 * METRES_PER_NM


def test_inland_ships_have_a_european_number_and_no_heading() -> None:
    seen = heard(NORTH_SEA_PORT).observations
    inland = {one.mmsi for one in seen if isinstance(one, AisStatic) and one.eni}
    assert inland
    assert {one.heading_deg for one in seen if isinstance(one, AisPosition) and one.mmsi in inland} == {None}


def test_imo_numbers_have_the_right_check_digit() -> None:
    assert imo_number(907_472) == 9_074_729


def test_a_fleet_for_load_is_as_large_as_asked() -> None:
    fleet = Simulation(start=NOON, duration_s=30.0, ships=400)
    wide = replace(NORTH_SEA_PORT, range_m=500_000.0)
    assert len({one.mmsi for one in heard(wide, fleet).observations}) == 400


@pytest.mark.parametrize("ships", [-1, 10**9])
def test_impossible_fleets_are_refused(ships: int) -> None:
    with pytest.raises(ConfigurationError):
        list(traffic(Simulation(start=NOON, duration_s=1.0, ships=ships), ANTWERP))
