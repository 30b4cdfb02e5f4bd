"""What a host decides to do next for one desktop."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.desktop import Epoch, Failure, Guest, Power
from frazil.server.desktops import steps
from frazil.server.desktops.directory import Record
from frazil.server.desktops.steps import Do, Situation, decide
from frazil.server.guests.signing_on import token_sha256
from frazil.server.hypervisor.port import Domain, DomainState, Labels
from frazil.wire.hostlink import DesktopSpec, EpochField, Person, Profile, SignOn

OURS = "installation"
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SPEC = DesktopSpec(
    desktop_id="d", epoch=EpochField(generation=1, counter=5), attempt=2, name="d1", pool_id="p", image_id="i",
    profile=Profile(), power=Power.RUNNING, start_deadline_s=300.0,
)  # fmt: skip
LABELS = Labels(OURS, "d", Epoch(1, 5), 2, "p", "d1")
RECORD = Record(
    installation_id=OURS, desktop_id="d", epoch=Epoch(1, 5), attempt=2, name="d1", image_id="i",
    started_at=NOW - timedelta(seconds=10),
)  # fmt: skip
NOTHING_THERE = Situation(
    domain=None, record=None, guest=Guest.SILENT, restarts=0, shutdown_asked_at=None, failure=None,
    installation_id=OURS,
)  # fmt: skip


def domain(
    state: DomainState = DomainState.RUNNING, labels: Labels | None = LABELS, *, io_error: bool = False
) -> Domain:
    return Domain("frazil-d", "d", state, labels, Path("/run/guest"), io_error)


RUNS = replace(NOTHING_THERE, domain=domain(), record=RECORD)


def wanting(power: Power, **changes: object) -> DesktopSpec:
    return SPEC.model_copy(update={"power": power, **changes})


def test_what_is_not_there_is_started() -> None:
    assert decide(SPEC, NOW, NOTHING_THERE).do is Do.START


def test_a_fork_that_was_only_half_made_has_not_stopped_by_itself() -> None:
    half = replace(NOTHING_THERE, record=replace(RECORD, template="t"))
    whole = replace(NOTHING_THERE, record=replace(RECORD, template="t", identified=True))
    assert decide(SPEC, NOW, half).words == "Starting"
    assert decide(SPEC, NOW, whole).words == "Starting again: it had stopped by itself"


def test_a_half_made_desktop_is_started() -> None:
    half = replace(NOTHING_THERE, record=replace(RECORD, started_at=None))
    assert decide(SPEC, NOW, half).do is Do.START


def test_a_booting_desktop_is_waited_for_until_its_deadline() -> None:
    step = decide(SPEC, NOW, RUNS)
    assert (step.do, step.look_again_at) == (Do.NOTHING, NOW + timedelta(seconds=290))
    assert step.words


def test_a_booted_guest_is_told_who_it_is_once_its_desktop_stands() -> None:
    booting = replace(RUNS, guest=Guest.AGENT, offers_identity=True)
    assert decide(SPEC, NOW, booting).do is Do.NOTHING, "a new host name would end the session that comes up"
    assert decide(SPEC, NOW, replace(booting, guest=Guest.READY)).do is Do.IDENTIFY


def test_one_that_was_paused_gets_its_time_to_answer_from_when_it_goes_on() -> None:
    later = NOW + timedelta(hours=8)
    assert decide(SPEC, later, RUNS).do is Do.FAIL
    step = decide(SPEC, later, replace(RUNS, goes_since=later - timedelta(seconds=1)))
    assert (step.do, step.look_again_at) == (Do.NOTHING, later + timedelta(seconds=299))


def test_a_clock_is_set_once_the_desktop_is_there() -> None:
    due = replace(RUNS, clock_is_due=True)
    assert decide(SPEC, NOW, replace(due, guest=Guest.READY)).do is Do.SET_CLOCK
    assert decide(SPEC, NOW, due).do is Do.NOTHING, "it boots"


def test_a_fork_is_told_who_it_is_at_once() -> None:
    fork = replace(RUNS, record=replace(RECORD, template="key"), offers_identity=True)
    assert decide(SPEC, NOW, fork).do is Do.IDENTIFY


@pytest.mark.parametrize("guest", [Guest.SILENT, Guest.AGENT])
def test_a_silent_guest_fails_at_its_deadline_with_reason_and_way_out(guest: Guest) -> None:
    step = decide(SPEC, NOW + timedelta(seconds=290), replace(RUNS, guest=guest))
    assert step.do is Do.FAIL
    assert step.failure is not None
    assert step.failure.code == "guest-silent"
    assert "300 s" in step.failure.text
    assert step.failure.remedy


def test_a_fork_that_falls_silent_before_it_knows_who_it_is_fails_at_its_deadline() -> None:
    fork = replace(RUNS, guest=Guest.READY, record=replace(RECORD, template="key"), offers_identity=True)
    assert decide(SPEC, NOW + timedelta(seconds=289), fork).do is Do.IDENTIFY
    step = decide(SPEC, NOW + timedelta(seconds=290), fork)
    assert step.failure is not None
    assert step.failure.code == "guest-silent"
    assert "who it is" in step.failure.text


@pytest.mark.parametrize("state", [DomainState.STOPPING, DomainState.STOPPED])
def test_one_that_restarts_long_after_its_start_is_not_taken_for_silent(state: DomainState) -> None:
    """Between its guest's reboot and the end of its domain nobody is there who could answer."""
    late = NOW + timedelta(days=1)
    ending = replace(RUNS, guest=Guest.SILENT, domain=domain(state))
    assert decide(SPEC, late, ending).do is Do.DESTROY, "whatever holds up its end"
    assert decide(SPEC, late, replace(ending, domain=None)).do is Do.START


def test_a_ready_desktop_is_left_alone_for_ever() -> None:
    step = decide(SPEC, NOW + timedelta(days=9), replace(RUNS, guest=Guest.READY))
    assert (step.do, step.look_again_at) == (Do.NOTHING, None)


@pytest.mark.parametrize(("when", "guest"), [("agent", Guest.AGENT), ("running", Guest.SILENT)])
def test_images_without_our_service_are_ready_sooner(when: str, guest: Guest) -> None:
    late = NOW + timedelta(seconds=1000)
    assert decide(wanting(Power.RUNNING, ready_when=when), late, replace(RUNS, guest=guest)).do is Do.NOTHING


def test_a_paused_desktop_is_resumed() -> None:
    assert decide(SPEC, NOW, replace(RUNS, domain=domain(DomainState.PAUSED))).do is Do.RESUME


def test_a_fork_that_was_only_half_made_is_made_afresh_and_one_that_knows_itself_is_resumed() -> None:
    fork = replace(RUNS, domain=domain(DomainState.PAUSED), record=replace(RECORD, template="key"))
    assert decide(SPEC, NOW, fork).do is Do.DESTROY
    assert decide(SPEC, NOW, replace(fork, domain=None)).do is Do.START
    assert decide(wanting(Power.PAUSED), NOW, fork).do is Do.NOTHING
    told = replace(RECORD, template="key", identified=True)
    assert decide(SPEC, NOW, replace(fork, record=told)).do is Do.RESUME
    full = replace(fork, domain=domain(DomainState.PAUSED, io_error=True), has_room=True)
    assert decide(SPEC, NOW, full).do is Do.RESUME, "it ran: its disk was full before it was told"


def test_a_desktop_that_qemu_paused_for_a_full_disk_fails_until_there_is_room() -> None:
    full = replace(RUNS, domain=domain(DomainState.PAUSED, io_error=True))
    assert decide(SPEC, NOW, full).failure == steps.DISK_FULL
    failed = replace(full, failure=steps.DISK_FULL)
    assert decide(SPEC, NOW, failed).failure == steps.DISK_FULL
    assert decide(SPEC, NOW, replace(failed, has_room=True)).do is Do.RESUME


def test_a_desktop_that_stopped_by_itself_is_started_again_a_few_times_only() -> None:
    stopped = replace(NOTHING_THERE, record=RECORD)
    assert decide(SPEC, NOW, replace(stopped, restarts=steps.RESTARTS_MAX - 1)).do is Do.START
    assert decide(SPEC, NOW, replace(stopped, restarts=steps.RESTARTS_MAX)).failure == steps.KEEPS_STOPPING


def test_a_failure_stands_until_a_new_attempt() -> None:
    failure = Failure("out-of-space", "No room.", "Make some.")
    assert decide(SPEC, NOW, replace(NOTHING_THERE, failure=failure)).failure == failure


def test_what_an_older_attempt_left_goes_first() -> None:
    old = replace(LABELS, attempt=1)
    left = replace(NOTHING_THERE, domain=domain(labels=old), record=replace(RECORD, attempt=1))
    assert decide(SPEC, NOW, left).do is Do.DESTROY
    assert decide(SPEC, NOW, replace(left, domain=None)).do is Do.REMOVE_DISK
    assert decide(wanting(Power.RUNNING, keep_disk=True), NOW, replace(left, domain=None)).do is Do.START


@pytest.mark.parametrize("attempt", [1, 2])
def test_the_disk_of_one_that_was_deleted_and_is_kept_stays_whichever_attempt_made_it(attempt: int) -> None:
    """A deleted desktop is wanted stopped with its disk kept, in a new attempt where it had failed."""
    kept = wanting(Power.STOPPED, keep_disk=True, graceful=True)
    left = replace(NOTHING_THERE, record=replace(RECORD, attempt=attempt))
    assert decide(kept, NOW, left) == steps.NOTHING
    running = replace(left, domain=domain(labels=replace(LABELS, attempt=attempt)))
    assert decide(kept, NOW, running).do is (Do.DESTROY if attempt == 1 else Do.ASK_SHUTDOWN)
    assert decide(wanting(Power.ABSENT, keep_disk=True), NOW, left).do is Do.REMOVE_DISK


@pytest.mark.parametrize("power", list(Power))
def test_what_is_newer_than_what_is_wanted_is_left_alone_whatever_that_is(power: Power) -> None:
    left = {
        replace(RUNS, record=replace(RECORD, epoch=Epoch(1, 6))): (Epoch(1, 6), 2),
        replace(RUNS, domain=domain(labels=replace(LABELS, epoch=Epoch(2, 0), attempt=1))): (Epoch(2, 0), 1),
        # Of a database that does not know of the third.
        replace(RUNS, record=replace(RECORD, attempt=3)): (Epoch(1, 5), 3),
        replace(RUNS, domain=domain(labels=replace(LABELS, attempt=3))): (Epoch(1, 5), 3),
        replace(RUNS, domain=None, record=replace(RECORD, attempt=3)): (Epoch(1, 5), 3),
    }
    for at, newer in left.items():
        step = decide(wanting(power), NOW, at)
        assert (step.do, step.newer, step.failure) == (Do.NOTHING, newer, None)


@pytest.mark.parametrize("power", list(Power))
@pytest.mark.parametrize("labels", [None, replace(LABELS, installation_id="another")])
def test_a_foreign_domain_is_never_touched(power: Power, labels: Labels | None) -> None:
    assert decide(wanting(power), NOW, replace(RUNS, domain=domain(labels=labels))).failure == steps.FOREIGN


def test_absent_takes_the_domain_then_the_disk_then_rests() -> None:
    gone = wanting(Power.ABSENT)
    assert decide(gone, NOW, RUNS).do is Do.DESTROY
    assert decide(gone, NOW, replace(RUNS, domain=None)).do is Do.REMOVE_DISK
    assert decide(gone, NOW, NOTHING_THERE).do is Do.NOTHING


def test_shutting_down_asks_waits_and_then_takes_the_power() -> None:
    off = wanting(Power.STOPPED, graceful=True)
    assert decide(off, NOW, RUNS).do is Do.ASK_SHUTDOWN
    asked = replace(RUNS, shutdown_asked_at=NOW)
    step = decide(off, NOW, asked)
    assert (step.do, step.look_again_at) == (Do.NOTHING, NOW + steps.SHUTDOWN_PATIENCE)
    assert decide(off, NOW + steps.SHUTDOWN_PATIENCE, asked).do is Do.DESTROY
    assert decide(wanting(Power.STOPPED, graceful=False), NOW, RUNS).do is Do.DESTROY
    assert decide(off, NOW, replace(RUNS, domain=None)).do is Do.NOTHING


def test_pausing() -> None:
    assert decide(wanting(Power.PAUSED), NOW, RUNS).do is Do.PAUSE
    assert decide(wanting(Power.PAUSED), NOW, replace(RUNS, domain=domain(DomainState.PAUSED))).do is Do.NOTHING


labels = st.builds(
    replace, st.just(LABELS), attempt=st.integers(1, 3), epoch=st.builds(Epoch, st.just(1), st.integers(4, 6))
)
situations = st.builds(
    Situation,
    domain=st.none() | st.builds(domain, st.sampled_from(DomainState), st.none() | labels),
    record=st.none() | st.builds(replace, st.just(RECORD), attempt=st.integers(1, 3)),
    guest=st.sampled_from(Guest),
    restarts=st.integers(0, 5),
    shutdown_asked_at=st.none() | st.just(NOW),
    failure=st.none(),
    installation_id=st.just(OURS),
)


@given(at=situations, power=st.sampled_from(Power), graceful=st.booleans())
def test_destruction_is_only_ever_of_our_own(at: Situation, power: Power, graceful: bool) -> None:
    step = decide(wanting(power, graceful=graceful), NOW, at)
    if step.do in (Do.DESTROY, Do.ASK_SHUTDOWN, Do.PAUSE, Do.RESUME):
        assert at.domain is not None
        assert at.domain.labels is not None
        assert at.domain.labels.installation_id == OURS
        assert (at.domain.labels.epoch, at.domain.labels.attempt) <= (Epoch(1, 5), 2)
    if step.do is Do.REMOVE_DISK:
        assert at.domain is None
        assert at.record is not None
    if step.do is Do.FAIL:
        assert step.failure is not None


PERSON = Person(name="anna", full_name="Anna Kiss", token="t" * 43)
GIVEN = SPEC.model_copy(update={"person": PERSON})
WAITS = replace(RUNS, guest=Guest.READY, waiting=True)


def sign_on(state: Literal["on", "left", "failed"], token: str = PERSON.token) -> SignOn:
    return SignOn(user="anna", token_sha256=token_sha256(token), state=state)


def test_a_person_is_signed_on_when_the_screen_waits_and_the_desktop_knows_who_it_is() -> None:
    assert decide(GIVEN, NOW, WAITS).do is Do.SIGN_ON
    assert decide(SPEC, NOW, WAITS).do is Do.NOTHING, "a spare waits for nobody in particular"
    assert decide(GIVEN, NOW, replace(WAITS, waiting=False)).do is Do.NOTHING
    unknown = replace(WAITS, offers_identity=True)
    assert decide(GIVEN, NOW, unknown).do is Do.IDENTIFY
    fork = replace(unknown, record=replace(RECORD, template="key", identified=True))
    assert decide(GIVEN, NOW, fork).do is Do.SIGN_ON


@pytest.mark.parametrize("identified", [True, False])
def test_a_guest_that_leaves_its_person_waiting_fails_and_one_that_nobody_waits_for_does_not(identified: bool) -> None:
    later = NOW + timedelta(days=1)
    waits = replace(WAITS, offers_identity=True, record=replace(RECORD, identified=identified))
    asked = Do.SIGN_ON if identified else Do.IDENTIFY
    assert decide(GIVEN, later, waits).do is asked, "it was not asked yet"
    silent = replace(waits, silent_since=later - timedelta(seconds=299))
    assert decide(GIVEN, later, silent).do is asked
    step = decide(GIVEN, later + timedelta(seconds=1), silent)
    assert step.failure is not None
    assert step.failure.code == "guest-silent"
    assert decide(SPEC, later + timedelta(seconds=1), silent).do is not Do.FAIL
    used = replace(silent, waiting=False, sign_on=sign_on("on"))
    assert decide(GIVEN, later + timedelta(seconds=1), used).do is not Do.FAIL


def test_a_paused_spare_is_resumed_before_its_person_is_signed_on() -> None:
    assert decide(GIVEN, NOW, replace(WAITS, domain=domain(DomainState.PAUSED))).do is Do.RESUME


def test_a_token_is_used_once_and_one_who_left_is_not_signed_on_again() -> None:
    assert decide(GIVEN, NOW, replace(WAITS, waiting=False, sign_on=sign_on("on"))).do is Do.NOTHING
    assert decide(GIVEN, NOW, replace(WAITS, sign_on=sign_on("left"))).do is Do.NOTHING
    assert decide(GIVEN, NOW, replace(WAITS, sign_on=sign_on("left", "earlier"))).do is Do.SIGN_ON


def test_a_session_that_never_came_up_is_said() -> None:
    assert decide(GIVEN, NOW, replace(WAITS, sign_on=sign_on("failed"))).failure == steps.SIGN_ON_FAILED


def test_that_a_session_is_coming_up_is_said_until_its_panel_is_there() -> None:
    coming = replace(WAITS, waiting=False, sign_on=sign_on("on"))
    assert decide(GIVEN, NOW, coming).words == "Opening the person's session"
    there = sign_on("on").model_copy(update={"panel": True})
    assert decide(GIVEN, NOW, replace(coming, sign_on=there)).words == ""


@pytest.mark.parametrize(("when", "guest"), [("agent", Guest.AGENT), ("running", Guest.SILENT)])
def test_images_without_our_service_need_no_sign_on(when: str, guest: Guest) -> None:
    given = GIVEN.model_copy(update={"ready_when": when})
    assert decide(given, NOW, replace(RUNS, guest=guest)).do is Do.NOTHING
