"""The messages of the screens: what is written in templates and Python, and what has a translation.

    python tools/messages.py                          lists what is missing or stale in every package and language
    python tools/messages.py node.console desk        adds what is missing in node.console to its files desk.po,
                                                      with empty translations to be filled in, and drops nothing

A message of a section may be translated in the frame's catalogues instead: "Save" is written once.
"""

# ruff: noqa: INP001  (a developer's script, not a package)

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

FRAME = "port2port.console"
CONSOLES = (FRAME, "node.console", "hub.console")
LANGUAGES = ("nl", "fr", "de")
_PYTHON = {"_": None, "N_": None, "plural": (1, 2)}
_JINJA = ("_", "ngettext")
_OPTIONS = {"extensions": "jinja2.ext.do", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One message as it is written: ``many`` is its plural, empty without one."""

    one: str
    many: str = ""


def folder_of(package: str) -> Path:
    """The directory of a package of ours; it need not be importable yet."""
    root, _, rest = package.partition(".")
    return Path(str(files(root))) / rest.replace(".", "/")


def packages() -> list[str]:
    """The consoles, and every package inside that has templates of its own."""
    found = []
    for console in CONSOLES:
        root = folder_of(console)
        inside = sorted(path.parent.relative_to(root) for path in root.rglob("templates") if path.is_dir())
        found += [".".join((console, *path.parts)) for path in inside] or [console]
    return found


@cache
def written(package: str) -> dict[Text, str]:
    """Every message in the templates and modules of ``package``, with a place where it stands."""
    folder = folder_of(package)
    others = [folder_of(other) for other in packages() if other.startswith(f"{package}.")]
    found: dict[Text, str] = {}
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(other) for other in others):
            continue
        texts = _in_python(path) if path.suffix == ".py" else _in_template(path) if path.suffix == ".html" else ()
        for text in texts:
            found.setdefault(text, path.relative_to(folder).as_posix())
    return found


def _in_python(path: Path) -> Iterator[Text]:
    with path.open("rb") as file:
        for _line, message, _comments, _context in extract("python", file, keywords=_PYTHON):
            yield Text(one=message[0], many=message[1]) if isinstance(message, tuple) else Text(one=message)


def _in_template(path: Path) -> Iterator[Text]:
    with path.open("rb") as file:
        for _line, function, message, _comments in babel_extract(file, _JINJA, (), dict(_OPTIONS)):
            words = [part for part in (message if isinstance(message, tuple) else (message,)) if part]
            if words:
                yield Text(one=words[0], many=words[1]) if function == "ngettext" else Text(one=words[0])


def catalogues(package: str, language: str) -> dict[Path, Catalog]:
    """The files of one package and language, read."""
    folder = folder_of(package) / "locale" / language / "LC_MESSAGES"
    return {path: read_po(BytesIO(path.read_bytes()), locale=language) for path in sorted(folder.glob("*.po"))}


def messages(package: str, language: str) -> Iterator[Message]:
    """Every entry of these files but the header."""
    for catalogue in catalogues(package, language).values():
        yield from (message for message in catalogue if message.id)


def text_of(message: Message) -> Text:
    """An entry as it is written in the sources."""
    return Text(one=message.id[0], many=message.id[1]) if isinstance(message.id, tuple) else Text(one=message.id)


def is_translated(message: Message) -> bool:
    """Whether every form has words, and nobody marked it as a guess."""
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return not message.fuzzy and all(forms)


def missing(package: str, language: str) -> dict[Text, str]:
    """What is written and has no translation: neither here, nor in the package around, nor in the frame."""
    around = {package, package.rpartition(".")[0], FRAME} & set(packages())
    known = {text_of(message) for source in around for message in messages(source, language) if is_translated(message)}
    return {text: place for text, place in written(package).items() if text not in known}


def stale(package: str, language: str) -> list[Text]:
    """What has a translation and is written nowhere any more."""
    present = {text for each in packages() for text in written(each)}
    return [text_of(message) for message in messages(package, language) if text_of(message) not in present]


def add(package: str, name: str, language: str) -> int:
    """Put what is missing into ``<name>.po``, untranslated; returns how many."""
    path = folder_of(package) / "locale" / language / "LC_MESSAGES" / f"{name}.po"
    catalogue = catalogues(package, language).get(path) or Catalog(
        locale=language, project="Port 2 Port", charset="utf-8"
    )
    have = {text_of(message) for message in catalogue if message.id}
    new = [(text, place) for text, place in missing(package, language).items() if text not in have]
    for text, place in new:
        catalogue.add((text.one, text.many) if text.many else text.one, locations=[(place, 1)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, no_location=True, omit_header=False, sort_output=False, width=0)
    return len(new)


def main(arguments: list[str]) -> int:
    """The command."""
    if len(arguments) == 2:
        for language in LANGUAGES:
            print(f"{arguments[0]} {language}: {add(arguments[0], arguments[1], language)} added")
        return 0
    bad = 0
    for package in packages():
        for language in LANGUAGES:
            for text, place in missing(package, language).items():
                print(f"{package} {language} missing: {text.one!r} ({place})")
                bad += 1
            for text in stale(package, language):
                print(f"{package} {language} stale: {text.one!r}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
