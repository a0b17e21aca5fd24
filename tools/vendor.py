"""Copy the browser libraries that the screens use into the repository, with version, licence and digest.

For developers only: installing or running Port 2 Port needs neither Node nor this file.
`npm pack` fetches each package as the developer's npm is configured; the named files are copied byte for byte.
Where a library offers itself only as a global, one export line is appended and recorded, so that our modules can
import it; its upstream digest is recorded beside the served one.

    python tools/vendor.py

`tests/unit/port2port/test_console_vendor.py` compares every served file with VENDOR.toml.
"""

# ruff: noqa: INP001  (a developer's script, not a package)

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parent.parent / "port2port/console/static/vendor"
SVG = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One npm package and what we take of it; `files` maps the name in the package to the line appended to it."""

    name: str
    version: str
    licence: str
    files: dict[str, str]


PACKAGES = (
    Package(
        name="htmx.org",
        version="4.0.1",
        licence="0BSD",
        files={"dist/htmx.min.js": "", "dist/ext/hx-sse.min.js": "", "dist/ext/hx-csp.min.js": ""},
    ),
    Package(
        name="leaflet",
        version="1.9.4",
        licence="BSD-2-Clause",
        files={"dist/leaflet.js": "export default globalThis.L;", "dist/leaflet.css": ""},
    ),
    Package(
        name="uplot",
        version="1.6.32",
        licence="MIT",
        files={"dist/uPlot.iife.min.js": "export default uPlot;", "dist/uPlot.min.css": ""},
    ),
    Package(
        name="protomaps-leaflet",
        version="5.1.0",
        licence="BSD-3-Clause",
        files={"dist/protomaps-leaflet.js": "export default protomapsL;"},
    ),
)
ICONS = Package(name="lucide-static", version="1.62.0", licence="ISC", files={})
ICON_NAMES = """
    anchor arrow-left arrow-right bell bell-off box camera cctv check chevron-down chevron-right circle clipboard clock
    container copy diamond download drone eye eye-off file-check file-text flag git-branch hand history house info key
    languages layers life-buoy link list lock log-out map map-pin menu message-square moon octagon pause phone plane
    play plus printer radar radio search send settings shield shield-alert shield-check ship siren stamp sun triangle
    triangle-alert truck undo-2 unlink user user-plus users volume-2 volume-x waves x zoom-in zoom-out
"""


def main() -> int:
    """Fetch, copy and write the register; returns the exit status."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    register: list[str] = []
    for package in PACKAGES:
        contents = _fetch(package)
        _write_licence(package, contents)
        for name, appended in package.files.items():
            register.append(_copy(package, name, contents[name], appended))
    contents = _fetch(ICONS)
    _write_licence(ICONS, contents)
    register.append(_copy(ICONS, "icons.svg", _sprite(contents), ""))
    heading = "# Written by tools/vendor.py. A test compares every file with its digest.\n"
    (VENDOR / "VENDOR.toml").write_text(heading + "".join(register), encoding="utf-8")
    sys.stdout.write(f"{len(register)} files in {VENDOR}\n")
    return 0


def _fetch(package: Package) -> dict[str, bytes]:
    """Every file of the package by its name in it."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  (constants of this file)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            files = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar if member.isfile()}
            return {name: stream.read() for name, stream in files.items() if stream is not None}


def _write_licence(package: Package, contents: dict[str, bytes]) -> None:
    (VENDOR / f"LICENCE-{package.name}.txt").write_bytes(contents["LICENSE"])


def _copy(package: Package, name: str, content: bytes, appended: str) -> str:
    """Write one served file and return its table of the register."""
    served = content + (f"\n{appended}\n".encode() if appended else b"")
    target = VENDOR / Path(name).name
    target.write_bytes(served)
    facts = {
        "file": target.name,
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "licence_text": f"LICENCE-{package.name}.txt",
        "source": name,
        "sha256": hashlib.sha256(served).hexdigest(),
        "appended": appended,
        "upstream_sha256": hashlib.sha256(content).hexdigest(),
    }
    return "\n[[asset]]\n" + "".join(f'{key} = "{value}"\n' for key, value in facts.items())


def _sprite(contents: dict[str, bytes]) -> bytes:
    """One SVG whose symbols are the named icons; `<use href="...icons.svg#i-ship">` draws one in the text's colour."""
    ET.register_namespace("", SVG)
    sprite = ET.Element(f"{{{SVG}}}svg")
    for name in ICON_NAMES.split():
        icon = ET.fromstring(contents[f"icons/{name}.svg"])  # noqa: S314  (a pinned package, on a developer's machine)
        symbol = ET.SubElement(sprite, f"{{{SVG}}}symbol", {"id": f"i-{name}", "viewBox": icon.attrib["viewBox"]})
        for attribute in ("fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin"):
            symbol.set(attribute, icon.attrib[attribute])
        for shape in icon:
            shape.tail = None
            symbol.append(shape)
        symbol.tail = "\n"
    comment = f"<!-- {ICONS.name} {ICONS.version}, {ICONS.licence}, see LICENCE-{ICONS.name}.txt -->\n"
    return (comment + ET.tostring(sprite, encoding="unicode") + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
