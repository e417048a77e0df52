"""The pages of alert sources beside the admin: what comes, how senders are set up, trying it."""
