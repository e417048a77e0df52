"""Takes the whole of an installation elsewhere: backup, restore, from SQLite to PostgreSQL."""
