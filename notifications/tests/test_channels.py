"""Every channel, also one that is only a new file, keeps these promises."""

from __future__ import annotations

import pytest

from notifications.channels.base import Channel, channel_choices, register, registry

CHANNELS = sorted(registry.items())


@pytest.mark.parametrize(("slug", "channel"), CHANNELS)
def test_a_channel_says_what_it_is(slug: str, channel: Channel) -> None:
    assert channel.slug == slug
    assert channel.label
    assert channel.address_label
    assert (channel.kind, channel.label) in channel_choices()


@pytest.mark.parametrize(("slug", "channel"), CHANNELS)
def test_a_channels_example_is_an_address_in_its_one_spelling(slug: str, channel: Channel) -> None:
    assert channel.clean_address(f" {channel.example_address} ") == channel.example_address


@pytest.mark.parametrize("junk", ["", " ", "\x00", "a\nb", "ä" * 300, "<script>", "../.."])
@pytest.mark.parametrize(("slug", "channel"), CHANNELS)
def test_a_channel_refuses_junk_in_a_sentence(slug: str, channel: Channel, junk: str) -> None:
    with pytest.raises(ValueError, match=r".+\.$"):
        channel.clean_address(junk)


@pytest.mark.parametrize(("slug", "channel"), CHANNELS)
def test_a_channel_names_what_it_lacks(slug: str, channel: Channel) -> None:
    missing = channel.needs()

    assert all(name.isupper() or name == "the Python package apprise" for name in missing)


def test_two_channels_cannot_share_a_name() -> None:
    with pytest.raises(RuntimeError, match="ntfy"):
        register(registry["ntfy"])
