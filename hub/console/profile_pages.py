"""Our STIX profile for everybody: definitions, schemas, vocabulary and examples, without sign-in.

The files are public and come with the software: whoever asks learns nothing about this federation. What stands under
a version never changes, so that it may be kept for ever.
"""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from port2port.console.app import Section
from port2port.console.assets import FOR_EVER
from port2port.stix import publishing

PROFILE_PATH: Final = "/profile"


def section(name: str, package: str) -> Section:
    """The room; it has no tab and no page."""
    route = Route(f"{PROFILE_PATH}/{{version}}/{{name:path}}", _file, methods=["GET"], name="profile")
    return Section(name=name, package=package, routes=(route,))


async def _file(request: Request) -> Response:
    found = publishing.files().get(request.path_params["name"])
    if found is None or request.path_params["version"] != publishing.VERSION:
        raise HTTPException(404)
    return Response(found.content, headers={"Cache-Control": FOR_EVER, "Content-Type": found.media_type})
