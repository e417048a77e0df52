"""How gunicorn runs the web process; read by gunicorn itself, also in a container of its own."""

import os
from pathlib import Path

from pagerpal import env, logs

_root = Path(__file__).resolve().parent.parent
env.load_dotenv(Path(env.text("PAGERPAL_ENV_FILE", str(_root / ".env"))))
_on_sqlite = env.text("DATABASE_URL", "sqlite").startswith("sqlite")

chdir = str(_root)
bind = f"{env.text('PAGERPAL_BIND', '127.0.0.1')}:{env.integer('PAGERPAL_PORT', 8000)}"
worker_class = "gthread"
# SQLite has one writer at a time: more processes gain nothing and wait for each other. On two cores
# the database's server and the worker take what a second process could use, and alerts that two
# processes take in are stored in twice as many transactions.
workers = 1 if _on_sqlite or (os.cpu_count() or 1) <= 2 else 2
threads = 4 if _on_sqlite else 8
timeout = 30
graceful_timeout = 30
# Above the time for which proxies and Alertmanager keep idle connections for another use.
keepalive = 5
limit_request_line = 8190
# A management door in the home directory, one for all instances of a user.
control_socket_disable = True
# A busy disk must not look like a hanging worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
forwarded_allow_ips = ",".join(env.words("TRUSTED_PROXIES"))
# Paths hold keys and answer tokens; Django logs what fails.
accesslog = None
loglevel = "warning"


# Its own log names addresses, and their keys, of requests that fail before Django: masked as ours.
logconfig_dict = logs.config(
    env.choice("LOG_FORMAT", "text", logs.FORMATS), env.text("LOG_LEVEL", "info").upper()
)
logs.play("web")

# No preload: `serve` has loaded everything before it forks.
# No max_requests: recycling the only process stalls.
