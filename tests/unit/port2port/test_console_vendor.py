"""What the browser is served from elsewhere is what the register says, with its licence, and loads nothing outside."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "port2port/console/static"
VENDOR = STATIC / "vendor"
BASEMAP = STATIC / "basemap"
REGISTER = "VENDOR.toml"
LICENCES = {"0BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}
LOADS_OUTSIDE = re.compile(
    rb"""(?:\bimport\s*\(?\s*|\bfrom\s*|\bfetch\(\s*|\bimportScripts\(\s*|\burl\(\s*|@import\s+|\bEventSource\(\s*"""
    rb"""|\bWorker\(\s*|\bWebSocket\(\s*|\b(?:src|action|poster)\s*=\s*)["'`]?(?:https?:|wss?:)?//""",
)


def _assets() -> list[dict[str, str]]:
    assets: list[dict[str, str]] = tomllib.loads((VENDOR / REGISTER).read_text())["asset"]
    return assets


@pytest.mark.parametrize("asset", _assets(), ids=lambda asset: asset["file"])
def test_a_vendored_file_is_the_one_in_the_register(asset: dict[str, str]) -> None:
    served = (VENDOR / asset["file"]).read_bytes()
    assert hashlib.sha256(served).hexdigest() == asset["sha256"]
    upstream = served.removesuffix(f"\n{asset['appended']}\n".encode()) if asset["appended"] else served
    assert hashlib.sha256(upstream).hexdigest() == asset["upstream_sha256"]
    assert len(upstream) < len(served) or not asset["appended"]


@pytest.mark.parametrize("asset", _assets(), ids=lambda asset: asset["file"])
def test_a_vendored_file_comes_with_a_free_licence_and_its_text(asset: dict[str, str]) -> None:
    assert asset["licence"] in LICENCES
    assert len((VENDOR / asset["licence_text"]).read_text()) > 500
    assert re.fullmatch(r"\d+\.\d+\.\d+", asset["version"])


def test_no_vendored_file_is_missing_from_the_register() -> None:
    known = {asset["file"] for asset in _assets()} | {asset["licence_text"] for asset in _assets()}
    assert {path.name for path in VENDOR.iterdir()} == known | {REGISTER}


def test_no_served_file_loads_anything_from_an_outside_address() -> None:
    served = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".mjs", ".css", ".svg"}]
    assert len(served) > 8
    assert [path.name for path in served if LOADS_OUTSIDE.search(path.read_bytes())] == []


@pytest.mark.parametrize(
    "text",
    [
        b'import x from "https://cdn.example/x.js"',
        b"@import url(//fonts.example/a.css)",
        b"fetch('http://a.example')",
        b'<img src="https://tiles.example/1.png">',
        b"background:url(https://a.example/b.png)",
    ],
)
def test_a_load_from_outside_would_be_found(text: bytes) -> None:
    assert LOADS_OUTSIDE.search(text)


def test_every_layer_of_the_basemap_is_attributed() -> None:
    attribution = (BASEMAP / "ATTRIBUTION.md").read_text()
    layers = {path.name for path in BASEMAP.glob("*.geojson")}
    assert len(layers) == 6
    assert {name for name in layers if f"`{name}`" not in attribution} == set()
    assert "not for navigation" in attribution
