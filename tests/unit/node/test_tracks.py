from __future__ import annotations

from node.tracks import Tracks
from tests.fakes.ais import after, at, report, static

SHIP = 205_123_456


def test_the_newest_position_is_the_track() -> None:
    tracks = Tracks()
    assert tracks.fold([report(SHIP, 0, 51.1, 4.1), report(SHIP, 20, 51.2, 4.2), report(SHIP, 10, 51.15, 4.15)]) == {
        SHIP
    }
    track = tracks.get(SHIP)
    assert track is not None
    assert track.position is not None
    assert track.position.position == at(51.2, 4.2)
    assert (track.reports, track.first_seen, track.last_seen) == (3, after(0), after(20))


def test_what_a_later_static_leaves_out_is_kept_from_the_earlier() -> None:
    tracks = Tracks()
    tracks.fold([static(SHIP, 0, name="ALPHA"), static(SHIP, 5, callsign="OR1", ship_type=70)])
    track = tracks.get(SHIP)
    assert track is not None
    assert track.static is not None
    assert (track.static.name, track.static.callsign, track.static.ship_type) == ("ALPHA", "OR1", 70)
    assert track.position is None


def test_when_full_the_ship_unheard_for_longest_goes() -> None:
    tracks = Tracks(limit=2)
    changed = tracks.fold([report(SHIP + n, n, 51.1, 4.1) for n in (0, 1)])
    changed |= tracks.fold([report(SHIP, 2, 51.1, 4.1), report(SHIP + 2, 3, 51.1, 4.1)])
    assert {track.mmsi for track in tracks} == {SHIP, SHIP + 2}
    assert changed == {SHIP, SHIP + 1, SHIP + 2}


def test_silent_ships_expire() -> None:
    tracks = Tracks()
    tracks.fold([report(SHIP, 0, 51.1, 4.1), report(SHIP + 1, 100, 51.1, 4.1)])
    assert tracks.expire(after(50)) == [SHIP]
    assert len(tracks) == 1
    assert tracks.get(SHIP) is None
