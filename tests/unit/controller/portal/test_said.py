"""Sentences of other parts, in the reader's language."""

from __future__ import annotations

import re

import pytest

from frazil.controller.planning.refusals import Refusal, Why, in_a_sentence
from frazil.controller.portal.said import SAYINGS, said
from frazil.controller.services.words import forbidden, limited
from frazil.model.policy import Policy
from frazil.model.quota import ORDER, Amounts, Excess, What
from tests.unit.controller.portal.samples import frame

MAGYAR = frame("hu").reader
ENGLISH = frame("en").reader


@pytest.mark.parametrize("text", [saying for saying in SAYINGS if "%(" not in saying])
def test_a_known_sentence_is_translated(text: str) -> None:
    answer = said(text, MAGYAR)
    assert not answer.english
    assert answer.text != text
    assert said(text, ENGLISH).text == text


def test_names_and_numbers_go_into_the_translation() -> None:
    answer = said("No host has enough memory left: 1280 MiB are needed, the roomiest has 512 MiB.", MAGYAR)
    assert not answer.english
    assert "1280 MiB" in answer.text
    assert "512 MiB" in answer.text


def test_a_reason_and_a_step_are_both_translated() -> None:
    answer = said("Its host is starting it. Now: Booting.", MAGYAR)
    assert not answer.english
    assert answer.text == f"{said('Its host is starting it.', MAGYAR).text} Most: {said('Booting', MAGYAR).text}."


@pytest.mark.parametrize("name", ["the pool desk", "anna"])
def test_what_a_policy_forbids_is_translated_thing_by_thing(name: str) -> None:
    nothing = Policy(
        clipboard_to_desktop=False,
        clipboard_from_desktop=False,
        clipboard_types=frozenset(),
        clipboard_max_kib=64,
        files_to_desktop=False,
        folders=False,
        usb=False,
        sound=False,
        microphone=False,
    )
    filtered = Policy(usb_filters=("-1,-1,-1,-1,1",))
    for policy in (nothing, filtered, Policy()):
        begin = f"What may pass {'in' if ' ' in name else 'for'} {name} was changed."
        answer = said(f"{begin} {forbidden(policy)}", MAGYAR)
        assert not answer.english
        assert name.split()[-1] in answer.text
        for thing in policy.forbidden():
            assert f" {thing}" not in answer.text


@pytest.mark.parametrize("whose", ["anna", "the group class-7"])
def test_what_a_quota_limits_is_translated_thing_by_thing(whose: str) -> None:
    for quota in (Amounts(desktops=1, vcpus=2, memory_mib=512, sessions=4), Amounts()):
        answer = said(f"The quota of {whose} was changed. {limited(quota)}", MAGYAR)
        assert not answer.english
        assert whose.split()[-1] in answer.text
        assert "group" not in answer.text
        for thing in quota.in_words():
            assert thing not in answer.text


@pytest.mark.parametrize("what", ORDER)
@pytest.mark.parametrize("whose", ["anna", "The group class-7"])
def test_why_somebody_was_given_no_desktop_is_translated(what: What, whose: str) -> None:
    why = Excess(what, 1000, 24, 1023).in_words(own=False, name=whose)
    answer = said(f"anna was given no desktop. {why}", MAGYAR)
    assert not answer.english
    assert "anna nem kapott" in answer.text
    assert {"1000", "1023"} <= set(re.findall("[0-9]+", answer.text))
    assert not re.search("group|uses|has ", answer.text)


def test_what_is_not_known_is_shown_as_it_is_and_marked() -> None:
    answer = said("The moon is full.", MAGYAR)
    assert answer.english
    assert answer.text == "The moon is full."
    assert not said("", MAGYAR).english


def test_a_percent_sign_in_a_name_breaks_nothing() -> None:
    assert "100%(x)s" in said("100%(x)s signed in.", MAGYAR).text


def test_a_change_of_phase_is_its_word_and_how_long_it_took() -> None:
    assert said("Ready after 41.9 s.", MAGYAR).text == "Kész 41.9 s után."
    assert said("Stopped.", MAGYAR).text == "Leállítva."
    assert said("Odd after 2 s.", MAGYAR).english


def test_a_saying_within_a_saying_is_translated_too() -> None:
    answer = said("Preparing its template, once for all desktops of its kind: Booting it once", MAGYAR)
    assert not answer.english
    assert "Booting" not in answer.text
    unknown = said("Preparing its template, once for all desktops of its kind: Dusting it", MAGYAR)
    assert unknown.text.endswith("Dusting it")


def test_what_keeps_hosts_from_taking_a_desktop_is_translated_reason_by_reason() -> None:
    refusals = [Refusal(why, ("a", "b"), "", "") for why in Why] + [Refusal(Why.MEMORY, ("c",), "", "")]
    reason = in_a_sentence(refusals, image_name="debian")
    for text in (reason, f"Spares are wanted, but none can be placed. {reason}"):
        answer = said(text, MAGYAR)
        assert not answer.english
        assert "2 gép: túl kevés memóriája maradt" in answer.text
        assert "1 gép: túl kevés memóriája maradt" in answer.text
        assert not any(why.value in answer.text for why in Why)


@pytest.mark.parametrize("why", Why)
def test_a_reason_that_is_every_host_s_is_translated(why: Why) -> None:
    pressed = "This host is short of memory: 9 MiB are left, and nothing is started below 99 MiB. "
    figures = "1280 MiB are needed, the roomiest has 512 MiB."
    details = {Why.PRESSURE: f"{pressed}The desktops that run go on.", Why.LABELS: "No host has the label room=3."}
    detail = details.get(why, figures)
    assert not said(in_a_sentence([Refusal(why, ("a",), detail, "")], image_name="debian"), MAGYAR).english
