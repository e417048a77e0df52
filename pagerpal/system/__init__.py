"""The System page and `manage.py doctor`: the same findings, for the eye and for a shell."""
