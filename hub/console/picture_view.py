"""What the picture's page says and draws, worked out from values that its reader may read. Pure, and no HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from hub.console.harbours import place_of
from hub.correlation import Link
from hub.picture import HOLDS, SEVERITIES, UNKNOWN, Item, Line, PortTile, Seen, Track, View
from port2port.clock import from_ms, to_ms
from port2port.console.words import N_

SPAN: Final = timedelta(hours=24)
STEP_S: Final = 900
SILENT_S: Final = 120
_KEY_CHARS: Final = 12
_KEY_WHOLE: Final = 64
KINDS: Final[Mapping[str, str]] = {
    "publish": N_("Indicator"),
    "report": N_("Report"),
    "import": N_("Imported report"),
    "sighting": N_("Sighting"),
    "retract": N_("Recall"),
    "suspend": N_("Suspension"),
    "hold": N_("Hold"),
    "note": N_("Note"),
    "incident": N_("Incident"),
    "level": N_("Security level"),
    "exercise": N_("Exercise"),
    "reaffirm": N_("Confirmation"),
    "reshare": N_("Further sharing"),
    "erase": N_("Erasure"),
    "cosign": N_("Second signature"),
    "genesis": N_("Founding"),
    "roster": N_("Roster change"),
    "rekey": N_("New key"),
    "revoke-key": N_("Revoked key"),
    "group": N_("Group"),
}
STEPS: Final[Mapping[str, str]] = {
    "observed": N_("Observed"),
    "reviewed": N_("Reviewed"),
    "signed": N_("Signed"),
    "logged": N_("Logged"),
    "delivered": N_("Delivered"),
}
RESULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "observed": {
        "holds": N_("objects as committed and valid"),
        "fails": N_("check failed"),
        "unknown": N_("not checked"),
    },
    "reviewed": {"holds": N_("by an officer"), "fails": N_("check failed"), "unknown": N_("no officer has seen this")},
    "signed": {"holds": N_("signatures hold"), "fails": N_("check failed"), "unknown": N_("not checked")},
    "logged": {"holds": N_("in the signed log"), "fails": N_("check failed"), "unknown": N_("not checked")},
    "delivered": {"holds": N_("signed receipts"), "fails": N_("check failed"), "unknown": N_("no receipt known to us")},
}
REASONS: Final[Mapping[str, str]] = {
    "vessel": N_("the same vessel"),
    "container": N_("the same container"),
    "container-prefix": N_("the same container prefix"),
    "value": N_("the same value"),
    "modus": N_("the same way of working within 30 days"),
    "cell": N_("the same place within a day"),
    "sighting": N_("sighted there"),
}


def kind_words(kind: str) -> str:
    """The message of a kind; of one that is newer than this software, its name."""
    return KINDS.get(kind, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses of the page that differ from the one shown in a single thing."""

    view: View

    def to(self, **changes: Any) -> str:
        """The same view with these fields changed."""
        query = replace(self.view, **changes).to_query()
        return f"/?{query}" if query else "/"

    def item(self, index: int | None) -> str:
        """With this entry open; None closes it."""
        return self.to(item=index)

    def port(self, member: str) -> str:
        """With this port in the filter, or out of it if it was in; the feed begins anew."""
        chosen = set(self.view.ports) ^ {member}
        return self.to(ports=tuple(sorted(chosen)), before=None)

    def cls(self, name: str) -> str:
        """With one class of items alone; "" for both."""
        return self.to(cls=name, before=None)

    @property
    def query(self) -> str:
        """The view as a query string."""
        return self.view.to_query()


def provenance(lines: Sequence[Line], title: Mapping[str, str], say: Any) -> list[dict[str, object]]:
    """The five lines as the macro takes them; ``say`` translates."""
    found: list[dict[str, object]] = []
    for line in lines:
        check = {HOLDS: "ok", UNKNOWN: "off"}.get(line.result, "bad")
        result = say(RESULTS[line.step][line.result])
        found.append(
            {
                "step": say(STEPS[line.step]),
                "at": line.at,
                "who": ", ".join(title.get(one, _short(one)) for one in line.actor.split(", ")),
                "check": check,
                "result": f"{result}: {line.why}" if line.why and line.result != UNKNOWN else result,
            }
        )
    return found


def _short(actor: str) -> str:
    """A key by the start of its name: the whole of it says no more to a reader."""
    return f"{actor[:_KEY_CHARS]}..." if len(actor) == _KEY_WHOLE and " " not in actor else actor


def silent(tile: PortTile, now: datetime) -> bool:
    """Whether a port's node has not held its feed open for longer than it should."""
    return tile.contact is None or (now - tile.contact).total_seconds() > SILENT_S


Marks = dict[str, list[dict[str, object]]]


def marks(
    items: Iterable[Item], tracks: Iterable[Track], sightings: Mapping[int, Sequence[Seen]], tiles: Iterable[PortTile]
) -> Marks:
    """What the map shows of a view: what was shared, where it was seen elsewhere, and nothing of other traffic."""
    by_index = {item.index: item for item in items}
    ports = {tile.member: tile.locodes for tile in tiles}
    drawn: Marks = {"indicators": [], "sightings": [], "links": [], "tracks": []}
    for track in tracks:
        item = by_index.get(track.index)
        if item is None or not track.points:
            continue
        last = track.points[-1]
        at = {"lat": last.latitude, "lon": last.longitude}
        drawn["indicators"].append({"id": track.index, "label": item.title, "severity": item.severity, **at})
        if len(track.points) > 1:
            points = [[point.latitude, point.longitude] for point in track.points]
            drawn["tracks"].append({"id": track.index, "label": item.title, "points": points})
    for index, seen in sightings.items():
        for one in seen:
            _sighted(drawn, by_index[index], one, ports)
    return drawn


def _sighted(drawn: Marks, item: Item, seen: Seen, ports: Mapping[str, tuple[str, ...]]) -> None:
    there = place_of(() if seen.port is None else (seen.port,)) or place_of(ports.get(seen.by, ()))
    if there is not None:
        label = f"{seen.by_name}: {item.title}"
        drawn["sightings"].append({"id": seen.index, "label": label, "lat": there[0], "lon": there[1]})


def arcs(links: Iterable[Link], tiles: Iterable[PortTile], say: Callable[[str], str]) -> list[dict[str, object]]:
    """What the map draws of links between ports; the port of a link stands at the first of its harbours."""
    places = {tile.member: place_of(tile.locodes) for tile in tiles}
    found: list[dict[str, object]] = []
    for link in links:
        here, there = places.get(link.source), places.get(link.target)
        if here is None or there is None or here == there:
            continue
        label = ", ".join(say(REASONS[reason]) for reason in link.reasons)
        found.append({"id": link.pairs[0].first, "label": label, "from": list(here), "to": list(there)})
    return found


def on_the_map(items: Iterable[Item], tracks: Iterable[Track]) -> list[tuple[Item, Track]]:
    """The table twin of the map: every item with a position, in the order of the feed."""
    placed = {track.index: track for track in tracks if track.points}
    return [(item, placed[item.index]) for item in items if item.index in placed]


def time_window(view: View, now: datetime) -> tuple[datetime, datetime]:
    """What the timeline spans: a day up to now, or further back where the view's own window begins earlier."""
    last = -(-(to_ms(max(now, view.end or now)) + 1) // (STEP_S * 1000)) * STEP_S * 1000
    end = from_ms(last)
    return min(end - SPAN, view.start or end), end


def timeline(
    bars: Iterable[Any], items: Iterable[Item], names: Mapping[str, str], start: datetime, end: datetime
) -> dict[str, object]:
    """The bars by severity and the lanes by port, in seconds since 1970, as the browser's timeline takes them."""
    first, last = to_ms(start) // 1000, to_ms(end) // 1000
    step = max(STEP_S, -(-(last - first) // 96))
    buckets = -(-(last - first) // step)
    counts = {severity: [0] * buckets for severity in SEVERITIES}
    for bar in bars:
        at = min((to_ms(bar.start) // 1000 - first) // step, buckets - 1)
        if at >= 0:
            counts[bar.severity][at] += bar.count
    lanes: dict[str, list[dict[str, object]]] = {}
    for item in items:
        event = {"id": item.index, "at": to_ms(item.received_at) / 1000, "severity": item.severity, "label": item.title}
        lanes.setdefault(item.issuer, []).append(event)
    shown = [{"id": name, "label": names.get(name, name), "events": lanes[name]} for name in sorted(lanes)]
    return {"from": first, "step": step, "counts": counts, "lanes": shown}
