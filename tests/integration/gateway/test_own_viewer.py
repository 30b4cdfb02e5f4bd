"""`frazil.viewer` comes to a desktop by the portal's viewer file: through the gateway, by CONNECT and TLS."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from frazil import viewer
from frazil.controller import viewer_file
from frazil.model.errors import Refused, Unavailable
from frazil.model.policy import Policy
from frazil.spice.inputs_channel import Key
from frazil.wire.viewer_trust import ViewerTrust
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures
from tests.integration.gateway.stage import DEADLINE_S, Stage, staged


@asynccontextmanager
async def shown(fake: SpiceDesktop) -> AsyncIterator[tuple[Stage, str, str]]:
    """A gateway before that desktop; a session of it, and the text of the portal's file."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        place = Path(directory)
        server = await asyncio.start_unix_server(fake.serve, place / "display")
        async with server, staged(place, place / "display") as stage:
            session_id = stage.controller.open_session()
            trust = ViewerTrust.model_validate_json((stage.settings.tls_dir / "viewers.json").read_text())
            text = viewer_file.render(
                viewer_file.ViewerFile(
                    portal=viewer_file.Portal(host="127.0.0.1", port=stage.port),
                    session_id=session_id,
                    ticket=stage.controller.mint(session_id),
                    title="Office",
                    host_subject=viewer_file.trusted_subject(trust),
                    ca_pem=trust.ca_pem,
                    policy=Policy(),
                )
            )
            yield stage, session_id, text


async def test_a_viewers_file_opens_a_desktop_once(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True)
    file = tmp_path / "office.vv"
    async with shown(fake) as (stage, session_id, text):
        file.write_text(text, encoding="utf-8")
        async with viewer.connect(file, timeout_s=DEADLINE_S) as desktop:
            seen = await desktop.wait_for_picture()
            assert np.array_equal(seen.rgb, captures.screen("lz"))
            await desktop.type("hi")
            await desktop.wait_for_agent()
            await desktop.set_clipboard("over the gateway")
            await desktop.wait_for_paste(timeout_s=DEADLINE_S)
            fake.guest.copy("and back")
            assert await desktop.clipboard(timeout_s=DEADLINE_S) == "and back"
            assert fake.guest.pasted == "over the gateway"
            (tmp_path / "report.bin").write_bytes(bytes(range(256)) * 1000)
            await desktop.send_file(tmp_path / "report.bin", timeout_s=DEADLINE_S)
            assert fake.guest.stored == {"report.bin": bytes(range(256)) * 1000}
            assert [record.code for _, record in fake.heard if isinstance(record, Key)] == [0x23, 0xA3, 0x17, 0x97]
            stage.controller.end_session(session_id)
            with pytest.raises(Unavailable):
                await desktop.wait_for_drawing(timeout_s=DEADLINE_S)
        file.write_text(text, encoding="utf-8")  # it was deleted, as it asks
        with pytest.raises((Refused, Unavailable)):
            async with viewer.connect(file, timeout_s=DEADLINE_S):
                pass


async def test_what_a_policy_forbids_is_said(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True)
    (file := tmp_path / "report.pdf").touch()
    async with shown(fake) as (stage, session_id, text):
        stage.controller.change_policy(
            session_id, Policy(clipboard_types=frozenset(), files_to_desktop=False, folders=False)
        )
        (opened := tmp_path / "opened.vv").write_text(text, encoding="utf-8")
        async with viewer.connect(opened, timeout_s=DEADLINE_S) as desktop:
            await desktop.wait_for_agent()
            with pytest.raises(Refused, match="policy"):
                await desktop.set_clipboard("secret")
            with pytest.raises(Refused, match="--allow files"):
                await desktop.send_file(file)
    assert fake.guest.pasted is None
    assert not fake.guest.coming
