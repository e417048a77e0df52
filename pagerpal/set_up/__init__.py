"""The guided set-up: from an empty database to a test page that was answered."""
