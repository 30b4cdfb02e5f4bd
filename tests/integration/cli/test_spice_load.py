"""`frazil spice load` on a pool: people of a file sign in, have a desktop each, and type on it through the gateway.

Frazil's own parts are real; the desktops are those of the hypervisor of files, with displays of our own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.faults.database import opened
from tests.harness.fake_server import hypervisor_dir
from tests.harness.stack import Stack

pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]
PEOPLE = 3


def test_a_pool_is_loaded_by_people_and_left_as_it_was(tmp_path: Path) -> None:
    people, passwords = tmp_path / "people.csv", tmp_path / "passwords.csv"
    people.write_text("name\n" + "".join(f"load{number}\n" for number in range(PEOPLE)))
    with Stack(fake=True) as stack:
        displays = hypervisor_dir(stack.settings)
        displays.mkdir(parents=True)
        (displays / "pictures").touch()
        stack.start()
        stack.empty_image("plain")

        def say(*words: str, code: int = 0) -> str:
            done = stack.frazil(*words)
            assert done.returncode == code, done.stderr
            return done.stdout

        say("pool", "create", "office", "--image", "plain", "--spares", "1", "--max", "5")
        say("group", "add", "load")
        say("user", "import", str(people), "--group", "load", "--passwords", str(passwords))
        say("grant", "office", "--group", "load")
        words = ("spice", "load", "--pool", "office", "--people", str(passwords), "--json")
        found = json.loads(say(*words, "--seconds", "3", "--keys-per-second", "10"))
        assert (found["asked_viewers"], found["viewers"], found["failures"]) == (PEOPLE, PEOPLE, [])
        assert found["keys"] >= PEOPLE
        assert found["unanswered"] == 0
        assert 0 < found["key_to_picture_ms"]["p50"] <= found["key_to_picture_ms"]["p99"]
        assert stack.root.sessions() == []
        with opened(stack.settings) as database:
            assert database.execute("SELECT count(*) FROM api_tokens").fetchone() == (0,)
        say("revoke", "office", "--group", "load")
        refused = json.loads(say(*words, "--viewers", "1", code=1))
        assert [failure["viewers"] for failure in refused["failures"]] == [1]
