"""The management API, /api/v1: assembled of every floor's own part at the first call.

`door` is all that loads with the addresses; the rest and what it stands on wait for a caller.
"""
