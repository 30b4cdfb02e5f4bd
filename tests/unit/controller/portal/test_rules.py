"""The small pure rules of the pages: where to go on to, what fits, what needs a look, what is wrong with a form."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from frazil.controller.portal.attention import attention
from frazil.controller.portal.capacity import room
from frazil.controller.portal.console.pools import rules_in
from frazil.controller.portal.forms import WrongForm, passwords_agree, read
from frazil.controller.portal.security import check_same_origin, safe_target
from frazil.model.desktop import Phase
from frazil.model.errors import Refused
from frazil.wire.hostlink import HostLoad
from frazil.wire.rest import PoolRequest, UserRequest
from tests.unit.controller.portal.samples import desktop, frame, host, image, measured_host, pool, room_on

READER = frame("en").reader


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "evil",
        "",
        "/a b",
        "/a\nb",
        "/sign-in",
        "/api/v1/me",
    ],
)
def test_a_target_that_is_not_a_page_of_ours_is_the_portal(path: str) -> None:
    assert safe_target(path) == "/"


def test_a_page_of_ours_is_a_target() -> None:
    assert safe_target("/console/pools?sort=name") == "/console/pools?sort=name"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "host": "desktops.example"},
        {"origin": "null", "host": "desktops.example"},
    ],
)
def test_a_form_from_another_site_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        check_same_origin(Headers(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"origin": "https://desktops.example", "host": "desktops.example"},
        {"origin": "https://desktops.example", "host": "frazil", "x-forwarded-host": "desktops.example"},
    ],
)
def test_a_form_of_ours_is_taken(headers: dict[str, str]) -> None:
    check_same_origin(Headers(headers))


def test_what_fits_is_bounded_by_what_ends_first() -> None:
    roomy = pool(total=12)
    assert (room(roomy, [host()]).more, room(roomy, [host()]).limit) == (8, "pool")
    small = host().model_copy(update={"load": HostLoad(memory_available_mib=3000, disk_free_mib=500_000, load1=0.1)})
    assert (room(roomy, [small]).more, room(roomy, [small]).limit) == (2, "memory")
    assert (room(roomy, [small, small]).more, room(roomy, [small, small]).limit) == (4, "memory")
    full = host().model_copy(update={"load": HostLoad(memory_available_mib=30000, disk_free_mib=2100, load1=0.1)})
    assert (room(roomy, [full]).more, room(roomy, [full]).limit) == (1, "disk")
    assert (room(roomy, [host(61, up=False)]).more, room(roomy, []).limit) == (0, "hosts")


def test_what_a_host_measured_goes_before_what_is_nominal() -> None:
    roomy = pool(total=0).model_copy(update={"max_desktops": 500})
    found = room(roomy, [measured_host(room_on(43, "limit")), measured_host(room_on(2, "disk"))])
    assert (found.more, found.limit, found.each_mib) == (45, "limit", 112)
    assert room(pool(total=12), [measured_host(room_on(43, "memory"))]).limit == "pool"
    short = measured_host(room_on(0, "pressure"), pressure="It is short.")
    assert (room(roomy, [short]).more, room(roomy, [short]).limit) == (0, "pressure")


def test_all_is_well_when_nothing_needs_a_look() -> None:
    calm = [desktop(Phase.READY), desktop(Phase.STARTING), desktop(Phase.STOPPED)]
    assert attention(READER, hosts=[host()], images=[image()], pools=[pool()], desktops=calm, strays=[]) == []


def test_what_needs_a_look_is_named_with_the_worst_first() -> None:
    found = attention(
        READER,
        hosts=[host(), host(61, up=False)],
        images=[image(32, "failed")],
        pools=[pool(note="A spare desktop failed; the next one is made in 16 s.")],
        desktops=[desktop(Phase.FAILED, 3), desktop(Phase.FAILED, 5)],
        strays=[],
    )
    assert [one.tone for one in found] == ["bad", "bad", "bad", "busy"]
    texts = [one.text for one in found]
    assert "host-b is not answering." in texts
    assert "2 desktops have failed." in texts
    assert any(text.startswith("Office: ") for text in texts)
    assert any("debian-icewm" in text for text in texts)


def test_no_host_at_all_needs_a_look() -> None:
    found = attention(READER, hosts=[], images=[], pools=[], desktops=[], strays=[])
    assert [one.text for one in found] == ["No host has reported yet."]


def test_a_wrong_form_is_explained_by_field_without_what_was_typed() -> None:
    with pytest.raises(WrongForm) as caught:
        read(UserRequest, {"name": "An Na", "password": "hush", "role": "user"}, READER)
    assert set(caught.value.wrong) == {"name", "password"}
    assert caught.value.wrong["password"] == "At least 10 characters."
    assert "hush" not in str(caught.value.wrong)
    profile = {"vcpus": "none", "memory_mib": "12"}
    with pytest.raises(WrongForm) as caught:
        read(PoolRequest, {"name": "", "image": "i", "spares": "1001", "profile": profile}, READER)
    assert caught.value.wrong == {
        "name": "This is needed.",
        "spares": "At most 1,000.",
        "vcpus": "Write a whole number.",
        "memory_mib": "At least 256.",
    }


def test_a_password_is_typed_the_same_twice() -> None:
    passwords_agree({"password": "x", "again": "x"}, READER)
    with pytest.raises(WrongForm):
        passwords_agree({"password": "x", "again": "y"}, READER)


@pytest.mark.parametrize("text", ["", "-1", "nan", "1e9", "1,5", "soon", "999999999"])
def test_a_rule_that_is_no_number_is_left_for_the_request_to_refuse(text: str) -> None:
    assert rules_in({"grace_min": text})["grace_s"] == text
