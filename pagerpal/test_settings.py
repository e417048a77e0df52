"""Settings of the test-suite: the real ones, in a world of their own."""

import os
import tempfile
from typing import Any

OURS = (
    *("NTFY_", "SMTP_", "TWILIO_", "INFOBIP_", "SMS_", "WHATSAPP_", "PHONE_"),
    *("INBOUND_", "OUTBOUND_", "IMAP_", "PAGERPAL_", "NOTIFICATION_", "ESCALATION_"),
    *("HEARTBEAT_", "METRICS_", "LOG_"),
)
for _name in os.environ.keys() - {"PAGERPAL_FAULT_ROUNDS", "PAGERPAL_FAULT_KILLS"}:
    if _name.startswith(OURS):
        del os.environ[_name]
os.environ["PAGERPAL_ENV_FILE"] = os.devnull
os.environ["PAGERPAL_DATA_DIR"] = tempfile.mkdtemp(prefix="pagerpal-test-")
os.environ["ENVIRONMENT"] = "development"
os.environ["OUTBOUND_ALLOWED_NETWORKS"] = "127.0.0.0/8"  # what the tests play chats and webhooks on

from pagerpal.settings import *  # noqa: E402, F403
from pagerpal.settings import DATA_DIR, DATABASES  # noqa: E402

# Static files are served from source; whitenoise only warns if the gathered ones have no folder.
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir()
WHITENOISE_AUTOREFRESH = True  # looks for a file when it is asked for, not for all at each start
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"] == "pagerpal.sqlite":
    # A file, not memory: threads and processes of the tests must share it.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # Databases of tests are made, emptied and dropped here; on a busy machine that takes longer
    # than any statement of PagerPal may.
    _options: Any = DATABASES["default"]["OPTIONS"]
    _options["options"] = _options["options"].replace("timeout=5000", "timeout=60000")
