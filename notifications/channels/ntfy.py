"""ntfy: push messages to phones, by the public server or one's own."""
