"""`frazil spice record-sound` on a server of our own."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from frazil.cli.exits import Exit
from frazil.cli.main import run
from frazil.spice.sound_channels import PlaybackServer, PlaybackStart, SoundData
from tests.fakes.spice_desktop import WITH_SOUND, SpiceDesktop
from tests.harness.spice_commands import serving, told
from tests.harness.tones import tones

RATE_HZ = 48_000
START = (PlaybackServer.START, PlaybackStart(channels=2, format=1, frequency_hz=RATE_HZ, time_ms=0))


def data(seconds: float) -> tuple[int, object]:
    return PlaybackServer.DATA, SoundData(time_ms=0, data=tones(seconds).tobytes())


def test_what_is_played_is_written_and_silence_behind_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "heard.wav"
    with serving(SpiceDesktop(channels=WITH_SOUND, plays=[START, data(0.1)])) as address:
        found = told(capsys, "record-sound", address, str(file), "--for", "0.6")
        assert found == {"file": str(file), "seconds": 0.6, "channels": 2, "rate_hz": RATE_HZ, "peak": 0.3052}
        assert run(["spice", "record-sound", address, str(file), "--for", "0.6"]) == Exit.DONE
        assert "0.6 s, 2 channels, 48000 samples a second" in capsys.readouterr().err
    with wave.open(str(file)) as written:
        assert (written.getnchannels(), written.getsampwidth(), written.getframerate()) == (2, 2, RATE_HZ)
        samples = np.frombuffer(written.readframes(RATE_HZ), "<i2").reshape(-1, 2)
    assert len(samples) == 0.6 * RATE_HZ
    (loud,) = np.nonzero(samples[:, 1])
    assert np.array_equal(samples[loud[0] - 1 :][:4800], tones(0.1))
    assert not samples[loud[-1] + 1 :].any()


def test_no_more_is_written_than_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(SpiceDesktop(channels=WITH_SOUND, plays=[START, data(2), data(2)])) as address:
        found = told(capsys, "record-sound", address, str(tmp_path / "heard.wav"), "--for", "0.5")
    assert found["seconds"] == 0.5


def test_what_goes_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "heard.wav"
    with serving(SpiceDesktop(channels=WITH_SOUND)) as address:
        assert run(["spice", "record-sound", address, str(file), "--for", "0.2"]) == Exit.TIMED_OUT
        assert "played nothing for 0.2 s" in capsys.readouterr().err
        assert not file.exists()
    with serving(SpiceDesktop()) as address:
        assert run(["spice", "record-sound", address, str(file)]) == Exit.NOT_FOUND
        assert "no sound" in capsys.readouterr().err
    other = (PlaybackServer.START, PlaybackStart(channels=1, format=1, frequency_hz=RATE_HZ, time_ms=0))
    with serving(SpiceDesktop(channels=WITH_SOUND, plays=[START, data(0.1), other, data(0.1)])) as address:
        assert run(["spice", "record-sound", address, str(tmp_path / "no" / "it.wav")]) == Exit.WRONG_CALL
        assert run(["spice", "record-sound", address, str(file)]) == Exit.FAILED
        assert "another format" in capsys.readouterr().err
        assert run(["spice", "record-sound", address, str(file), "--for", "100000"]) == Exit.WRONG_CALL
        assert "more than a WAV file can hold" in capsys.readouterr().err
