"""Pictures of the display channel: from a message's bytes to pixels."""
