"""The web process's entry point."""

import os

from django.core.wsgi import get_wsgi_application

from pagerpal.dechunk import dechunk

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pagerpal.settings")
application = dechunk(get_wsgi_application())
