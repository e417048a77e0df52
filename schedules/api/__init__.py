"""What programs may ask and do about people, teams and schedules; and what all floors share.

Only `pagerpal.api` imports the modules here and in the `api` of the floors above, at the first
call: what they stand on takes memory that a worker never needs.
"""
