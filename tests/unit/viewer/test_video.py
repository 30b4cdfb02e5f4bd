"""Which codecs of video a viewer names and asks for, and a film that it is sent."""

from __future__ import annotations

import sys

import pytest

from frazil import viewer
from frazil.model.errors import InvalidInput, RemoteProtocolError
from frazil.spice.capabilities import has
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import (
    DisplayCap,
    DisplayServer,
    PreferredVideoCodecs,
    StreamCreate,
    StreamData,
    VideoCodec,
)
from frazil.spice.draw_records import NO_CLIP
from frazil.spice.geometry_records import Rect
from frazil.spice.records import encode
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.films import film, psnr, scene
from tests.harness.watched import opened, said

CODEC_CAPS = {
    DisplayCap.CODEC_MJPEG,
    DisplayCap.CODEC_VP8,
    DisplayCap.CODEC_H264,
    DisplayCap.CODEC_VP9,
    DisplayCap.CODEC_H265,
}


def named(fake: SpiceDesktop) -> set[DisplayCap]:
    return {cap for cap in CODEC_CAPS if has(fake.caps[ChannelType.DISPLAY], cap)}


async def test_a_film_is_seen() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        assert named(fake) == CODEC_CAPS
        assert not said(fake, PreferredVideoCodecs)
        pictures = [scene(64, 32, number) for number in range(3)]
        create = StreamCreate(
            surface_id=0,
            id=1,
            flags=1,
            codec=VideoCodec.H264,
            stamp=0,
            stream_width=64,
            stream_height=32,
            source_width=64,
            source_height=32,
            dest=Rect(left=8, top=4, right=72, bottom=36),
            clip=NO_CLIP,
        )
        fake.draw([(DisplayServer.STREAM_CREATE, encode(create))])
        for frame, picture in zip(film(VideoCodec.H264, pictures), pictures, strict=True):
            before = desktop.drawings
            fake.draw([(DisplayServer.STREAM_DATA, encode(StreamData(id=1, time_ms=0, data=frame)))])
            await desktop.wait_for_drawing(after=before)
            assert psnr(desktop.screenshot().rgb[4:36, 8:72], picture) > 25
        fake.draw([(DisplayServer.STREAM_DATA, encode(StreamData(id=1, time_ms=0, data=b"no frame")))])
        with pytest.raises(RemoteProtocolError, match="A frame of H264 can't be decoded"):
            await desktop.wait_for_drawing()


async def test_codecs_are_asked_for_in_their_order() -> None:
    fake = SpiceDesktop(channel_caps=[DisplayCap.PREF_VIDEO_CODEC_TYPE])
    async with opened(fake, video=[VideoCodec.VP9, VideoCodec.MJPEG]) as desktop:
        await desktop.wait_for_picture()
    assert said(fake, PreferredVideoCodecs) == [PreferredVideoCodecs(codecs=(VideoCodec.VP9, VideoCodec.MJPEG))]


async def test_nothing_is_asked_of_a_server_that_takes_no_wishes() -> None:
    fake = SpiceDesktop()
    async with opened(fake, video=[VideoCodec.VP9]) as desktop:
        await desktop.wait_for_picture()
    assert not said(fake, PreferredVideoCodecs)


async def test_without_pyav_only_mjpeg_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        assert named(fake) == {DisplayCap.CODEC_MJPEG}
    with pytest.raises(InvalidInput, match=r"Video of H264 can't be decoded here\. Install PyAV"):
        async with viewer.connect(fake.give, video=[VideoCodec.MJPEG, VideoCodec.H264]):
            pass
