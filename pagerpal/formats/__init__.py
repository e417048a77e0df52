"""How the admin writes dates: on-call work needs the 24-hour clock, not a.m. and p.m."""
