"""The SQLite backend of PagerPal; Django finds it by this folder's name."""
