"""What tests ask of a running controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.controller.stage import Controller


async def image_and_pool(http: httpx.AsyncClient, *, spares: int = 1, most: int = 40) -> None:
    answer = await http.post("/api/v1/images", json={"name": "debian", "recipe": "debian-icewm"})
    assert answer.status_code == 202, answer.text
    answer = await http.post(
        "/api/v1/pools", json={"name": "desk", "image": "debian", "spares": spares, "max_desktops": most}
    )
    assert answer.status_code == 201, answer.text


async def ready(http: httpx.AsyncClient, count: int) -> list[dict[str, Any]] | None:
    try:
        answer = await http.get("/api/v1/desktops", params={"phase": "ready", "limit": 500})
    except httpx.TransportError:
        return None
    if answer.status_code != 200:
        return None
    items: list[dict[str, Any]] = answer.json()["items"]
    return items if len(items) == count else None


async def user(http: httpx.AsyncClient, name: str, role: str = "user") -> None:
    body = {"name": name, "password": "correct horse battery", "role": role}
    answer = await http.post("/api/v1/users", json=body)
    assert answer.status_code == 201, answer.text


@asynccontextmanager
async def signed_in(controller: Controller, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client as the gateway forwards it, with the cookie (which httpx would not send over plain HTTP)."""
    async with controller.http(controller.settings.public_socket) as http:
        await sign_in(http, name)
        yield http


async def sign_in(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.post("/api/v1/logins", json={"name": name, "password": "correct horse battery"})
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["set-cookie"]
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
        assert attribute in cookie
    assert "Domain" not in cookie
    http.headers["Cookie"] = cookie.split(";", 1)[0]
    http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
