"""Where simulated ships sail: simple lines over real water, good to a few hundred metres. Never for navigation."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from port2port.geo import Position, bearing_deg, from_local_metres, haversine_m, local_metres


class Fairway:
    """A line that ships sail up and down without end."""

    def __init__(self, name: str, points: tuple[tuple[float, float], ...]) -> None:
        self.name = name
        self._points = [Position(latitude_deg=lat, longitude_deg=lon) for lat, lon in points]
        self._marks = [0.0]
        for one, other in zip(self._points, self._points[1:], strict=False):
            self._marks.append(self._marks[-1] + haversine_m(one, other))

    @property
    def length_m(self) -> float:
        """From end to end."""
        return self._marks[-1]

    def at(self, sailed_m: float) -> tuple[Position, float]:
        """(position, course in degrees) after so many metres from the first point, turning back at each end."""
        along = sailed_m % (2.0 * self.length_m)
        back = along > self.length_m
        along = 2.0 * self.length_m - along if back else along
        leg = min(bisect_right(self._marks, along), len(self._marks) - 1) - 1
        begin, end = self._points[leg], self._points[leg + 1]
        share = (along - self._marks[leg]) / (self._marks[leg + 1] - self._marks[leg])
        east, north = local_metres(begin, end)
        course = bearing_deg(end, begin) if back else bearing_deg(begin, end)
        return from_local_metres(begin, east * share, north * share), course


WESTERN_SCHELDT: Final = Fairway(
    "Vlissingen to Antwerp",
    (
        (51.420, 3.560),
        (51.405, 3.650),
        (51.375, 3.720),
        (51.350, 3.800),
        (51.360, 3.900),
        (51.415, 3.960),
        (51.435, 4.015),
        (51.405, 4.080),
        (51.380, 4.150),
        (51.395, 4.215),
        (51.360, 4.250),
        (51.320, 4.270),
        (51.285, 4.290),
        (51.250, 4.330),
        (51.235, 4.390),
    ),
)
GHENT_TERNEUZEN: Final = Fairway(
    "Terneuzen to Ghent",
    ((51.340, 3.815), (51.300, 3.825), (51.260, 3.830), (51.200, 3.803), (51.150, 3.785), (51.100, 3.745)),
)
MEUSE: Final = Fairway("Trilogiport to Seraing", ((50.715, 5.678), (50.665, 5.634), (50.640, 5.580), (50.613, 5.520)))
# The two halves of the clone scenario: more than fifteen nautical miles apart at their closest.
ANTWERP_REACH: Final = Fairway("Zandvliet to Kallo", ((51.360, 4.250), (51.320, 4.270), (51.285, 4.290)))
VLISSINGEN_ROADS: Final = Fairway("Vlissingen roads to Terneuzen", ((51.420, 3.560), (51.405, 3.650), (51.375, 3.720)))
