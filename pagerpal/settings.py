"""PagerPal's settings: one file, every tunable from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from pagerpal import env, logs

BASE_DIR = Path(__file__).resolve().parent.parent
ENV_FILE = Path(env.text("PAGERPAL_ENV_FILE", str(BASE_DIR / ".env")))
env.load_dotenv(ENV_FILE)

# --- Where and how -------------------------------------------------------------------------------
ENVIRONMENT = env.choice("ENVIRONMENT", "development", ("development", "production"))
PRODUCTION = ENVIRONMENT == "production"
PAGERPAL_PORT = env.integer("PAGERPAL_PORT", 8000, least=1, most=65535)
# The address to listen on; a container listens on all of its own.
PAGERPAL_BIND = env.text("PAGERPAL_BIND", "127.0.0.1")
# The public address, used in every message: phones must be able to open it.
PAGERPAL_BASE_URL = env.url("PAGERPAL_BASE_URL", f"http://127.0.0.1:{PAGERPAL_PORT}")
DATA_DIR = Path(env.text("PAGERPAL_DATA_DIR", str(BASE_DIR / "data")))
DATA_DIR.mkdir(parents=True, exist_ok=True)
DEBUG = False

# --- Secrets, hosts, cookies ---------------------------------------------------------------------
SECRET_KEY = env.secret_key(ENVIRONMENT, DATA_DIR)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
_base = urlsplit(PAGERPAL_BASE_URL)
ALLOWED_HOSTS = [
    _base.hostname or "",
    "localhost",
    "127.0.0.1",
    "[::1]",
    *env.words("ALLOWED_HOSTS"),
]
CSRF_TRUSTED_ORIGINS = sorted(
    {
        f"{_base.scheme}://{_base.netloc}",
        *(
            f"{s}://{h}"
            for s in ("http", "https")
            for h in (f"localhost:{PAGERPAL_PORT}", f"127.0.0.1:{PAGERPAL_PORT}")
        ),
    }
)
# Origins whose pages may call the API from a browser.
ALLOWED_ORIGINS = env.words("ALLOWED_ORIGINS", () if PRODUCTION else ("*",))
# Calls to the API a person or their tokens may make in a minute, counted by each web process;
# answering an incident is never refused.
API_CALLS_PER_MINUTE = env.integer("API_CALLS_PER_MINUTE", 600, least=10, most=100_000)
SESSION_COOKIE_SECURE = env.flag("SESSION_COOKIE_SECURE", False)
if PRODUCTION and not SESSION_COOKIE_SECURE:
    raise ImproperlyConfigured("SESSION_COOKIE_SECURE: expected true in production (HTTPS)")
if PRODUCTION and "*" in ALLOWED_ORIGINS:
    raise ImproperlyConfigured("ALLOWED_ORIGINS: expected explicit origins in production, not *")
# Addresses of proxies whose X-Forwarded-Proto and -For are believed. gunicorn checks the peer and
# sets the request's scheme; Django itself must not look at that header, which anybody can send.
TRUSTED_PROXIES = env.words("TRUSTED_PROXIES")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SESSION_COOKIE_NAME = "__Host-sessionid" if SESSION_COOKIE_SECURE else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if SESSION_COOKIE_SECURE else "csrftoken"
KNOWN_BROWSER_COOKIE_NAME = "__Host-known" if SESSION_COOKIE_SECURE else "known"
TEAM_COOKIE_NAME = "__Host-team" if SESSION_COOKIE_SECURE else "team"
# Admins without an app for the second step of signing in get no further than to set it up.
ADMINS_NEED_SECOND_STEP = env.flag("ADMINS_NEED_SECOND_STEP", False)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 30 * 24 * 3600
SECURE_HSTS_SECONDS = 31_536_000 if SESSION_COOKIE_SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
MESSAGE_STORAGE = "pagerpal.notices.Notices"
# TLS ends at the proxy, which also redirects; alert intake must never be redirected.
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

# --- Apps ----------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "pagerpal.apps.PagerPalConfig",
    "alertsources",
    "incidents",
    "notifications",
    "schedules",
    "pagerpal.apps.PagerPalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_q",
]
MIDDLEWARE = [
    "pagerpal.request_ids.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "pagerpal.headers.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "pagerpal.middleware.WhoChangesSettings",
    "pagerpal.middleware.PersonsTimeZone",
]
ROOT_URLCONF = "pagerpal.urls"
WSGI_APPLICATION = "pagerpal.wsgi.application"
APPEND_SLASH = False  # a redirect turns a monitor's POST into a GET
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "pagerpal.context.house",
            ],
        },
    },
]
AUTH_USER_MODEL = "schedules.User"
AUTHENTICATION_BACKENDS = ["pagerpal.permissions.RoleBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- Database ------------------------------------------------------------------------------------
_database = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'pagerpal.sqlite3'}")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database |= {
        "ENGINE": "pagerpal.sqlite",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            # FULL: a 2xx means "on disk", also when the power goes. WAL: readers never wait.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
            "PRAGMA cache_size=-4000; PRAGMA temp_store=MEMORY;",
        },
        "CONN_MAX_AGE": None,
    }
else:
    _database |= {
        "OPTIONS": {
            "connect_timeout": 3,
            # A server that is gone without a word is missed after 15 s, not after 15 minutes.
            "tcp_user_timeout": 15000,
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "options": "-c statement_timeout=5000 -c lock_timeout=2000 "
            "-c idle_in_transaction_session_timeout=10000",
            **_database.get("OPTIONS", {}),  # type: ignore[dict-item]
        },
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
DATABASES = {"default": _database}

# --- Worker --------------------------------------------------------------------------------------
WORKERS = env.integer("PAGERPAL_WORKERS", 4, least=2, most=32)
# Order of times: provider deadline 8 < task 12 < watchdog 20 < lease 30 < retry 120 (seconds).
Q_CLUSTER = {
    "name": "pagerpal",
    "orm": "default",
    "broker_class": "pagerpal.broker.SturdyORM",
    "poll": 0.05,
    "workers": WORKERS,
    "bulk": 1,
    "queue_limit": WORKERS,
    "timeout": 12,
    "retry": 120,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    # Nothing is planned there; and the sentinel, which would look, needs no database else.
    "scheduler": False,
    "guard_cycle": 0.5,
    # A fresh fork shares its memory again; beats alone come to this in an hour.
    "recycle": 200,
    "log_level": "WARNING",
    "label": "Queue",
}

# --- Paging --------------------------------------------------------------------------------------
# Safe mode while false: everything runs, messages are held and shown instead of sent.
NOTIFICATION_SENDING_ENABLED = env.flag("NOTIFICATION_SENDING_ENABLED", False)
# Off: no process claims that half of the work; its rows wait.
NOTIFICATION_RETRY_WORKER_ENABLED = env.flag("NOTIFICATION_RETRY_WORKER_ENABLED", True)
ESCALATION_WORKER_ENABLED = env.flag("ESCALATION_WORKER_ENABLED", True)

# Webhooks and rooms that people enter are called on the public internet only, and here: networks,
# or the word private. What these settings name themselves is called wherever it is.
OUTBOUND_ALLOWED_NETWORKS = env.networks("OUTBOUND_ALLOWED_NETWORKS")

NTFY_BASE_URL = env.url("NTFY_BASE_URL", "https://ntfy.sh")
NTFY_TOKEN = env.text("NTFY_TOKEN")
# Where the server has no tokens; a token wins.
NTFY_USER = env.text("NTFY_USER")
NTFY_PASSWORD = env.text("NTFY_PASSWORD")
# Where the buttons of push messages post to, for PagerPal to read; unset: to PagerPal itself.
NTFY_ACK_TOPIC = env.topic("NTFY_ACK_TOPIC")

SMTP_HOST = env.text("SMTP_HOST")
SMTP_PORT = env.integer("SMTP_PORT", 587, least=1, most=65535)
SMTP_USER = env.text("SMTP_USER")
SMTP_PASSWORD = env.text("SMTP_PASSWORD")
SMTP_FROM = env.text("SMTP_FROM")
# auto: TLS on port 465, STARTTLS on any other; none: a local relay without encryption.
SMTP_SECURITY = env.choice("SMTP_SECURITY", "auto", ("auto", "none"))

# The country of a number that is written without one, such as CH; unset: there must be one.
PHONE_REGION = env.country("PHONE_REGION")
# SMS and WhatsApp; the order in which providers are tried is that of the names.
TWILIO_BASE_URL = env.url("TWILIO_BASE_URL", "https://api.twilio.com")
TWILIO_ACCOUNT_SID = env.text("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = env.text("TWILIO_AUTH_TOKEN")
TWILIO_SMS_FROM = env.text("TWILIO_SMS_FROM")
TWILIO_WHATSAPP_FROM = env.text("TWILIO_WHATSAPP_FROM")
# The approved template (HX...) that every message takes to whoever has not written for a day.
TWILIO_WHATSAPP_TEMPLATE = env.text("TWILIO_WHATSAPP_TEMPLATE")
# Infobip gives every account a host of its own.
INFOBIP_BASE_URL = env.optional_url("INFOBIP_BASE_URL")
INFOBIP_API_KEY = env.text("INFOBIP_API_KEY")
INFOBIP_SMS_SENDER = env.text("INFOBIP_SMS_SENDER")
INFOBIP_WHATSAPP_SENDER = env.text("INFOBIP_WHATSAPP_SENDER")
# The name and the language of the same at Infobip.
INFOBIP_WHATSAPP_TEMPLATE = env.text("INFOBIP_WHATSAPP_TEMPLATE")
INFOBIP_WHATSAPP_LANGUAGE = env.text("INFOBIP_WHATSAPP_LANGUAGE", "en")
# Its quick replies, in order: what each of them does.
INFOBIP_WHATSAPP_BUTTONS = env.words_of(
    "INFOBIP_WHATSAPP_BUTTONS", ("acknowledge", "resolve", "escalate")
)
# Unset: the endpoint for receipts does not exist.
INFOBIP_RECEIPT_TOKEN = env.text("INFOBIP_RECEIPT_TOKEN")
_has_twilio = bool(TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN)
_has_infobip = bool(INFOBIP_BASE_URL and INFOBIP_API_KEY)
SMS_PROVIDERS = env.providers(
    "SMS_PROVIDERS",
    twilio=_has_twilio and bool(TWILIO_SMS_FROM),
    infobip=_has_infobip and bool(INFOBIP_SMS_SENDER),
)
WHATSAPP_PROVIDERS = env.providers(
    "WHATSAPP_PROVIDERS",
    infobip=_has_infobip and bool(INFOBIP_WHATSAPP_SENDER),
    twilio=_has_twilio and bool(TWILIO_WHATSAPP_FROM),
)
# The most for one address, `sms=5/30` for 5 a minute and 30 an hour; what is more waits and comes
# as one message. Kinds that are not named keep what notifications/address_limits.py says.
ADDRESS_LIMITS = env.rates("ADDRESS_LIMITS")

# --- Mail in -------------------------------------------------------------------------------------
# Either of the two makes `manage.py serve` run `manage.py mail` as well.
# Where mail servers and monitors deliver; 0: nowhere.
INBOUND_SMTP_PORT = env.integer("INBOUND_SMTP_PORT", 0, most=65535)
INBOUND_SMTP_HOST = env.text("INBOUND_SMTP_HOST", "127.0.0.1")
# Only shown in the addresses of sources: what counts in an address is the key.
INBOUND_MAIL_DOMAIN = env.text("INBOUND_MAIL_DOMAIN", _base.hostname or "localhost")
IMAP_HOST = env.text("IMAP_HOST")
IMAP_PORT = env.integer("IMAP_PORT", 993, least=1, most=65535)
IMAP_USER = env.text("IMAP_USER")
IMAP_PASSWORD = env.text("IMAP_PASSWORD")
IMAP_FOLDER = env.text("IMAP_FOLDER", "INBOX")
# auto: TLS on port 993, STARTTLS on any other; none: a server on the same machine.
IMAP_SECURITY = env.choice("IMAP_SECURITY", "auto", ("auto", "none"))
IMAP_POLL_EVERY = env.seconds("IMAP_POLL_SECONDS", 30, least=1, most=3600)
if IMAP_HOST and not (IMAP_USER and IMAP_PASSWORD):
    raise ImproperlyConfigured("IMAP_HOST: expected IMAP_USER and IMAP_PASSWORD with it")

# --- Watching from outside ------------------------------------------------------------------------
# Called every so often while pages would go out, and only then: whoever misses it raises the alarm.
HEARTBEAT_URL = env.optional_url("HEARTBEAT_URL")
# Called instead while they would not.
HEARTBEAT_FAIL_URL = env.optional_url("HEARTBEAT_FAIL_URL")
HEARTBEAT_EVERY = env.seconds("HEARTBEAT_SECONDS", 60, least=30, most=3600)
if HEARTBEAT_FAIL_URL and not HEARTBEAT_URL:
    raise ImproperlyConfigured("HEARTBEAT_FAIL_URL: expected HEARTBEAT_URL with it")
# Who may read /metrics: whoever has the token, and whoever comes from these networks.
METRICS_TOKEN = env.token("METRICS_TOKEN")
METRICS_ALLOWED_NETWORKS = env.networks("METRICS_ALLOWED_NETWORKS")

# --- What is kept, and for how long ---------------------------------------------------------------
# Counted from the end of an incident; of one that is open everything stays. Raw messages of
# monitors are kept as long as their source says.
KEEP_TIMELINE_DAYS = env.integer("KEEP_TIMELINE_DAYS", 365, least=30, most=36_500)
KEEP_MESSAGES_DAYS = env.integer("KEEP_MESSAGES_DAYS", 180, least=30, most=36_500)

# --- Language, time, files -----------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "pagerpal.formats"  # the 24-hour clock
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Production serves what collectstatic gathered at build; a checkout serves straight from source.
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = False
_static = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if PRODUCTION
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static},
}

# --- Logs ----------------------------------------------------------------------------------------
# text for people, json for programs: one object a line.
LOG_FORMAT = env.choice("LOG_FORMAT", "text", logs.FORMATS)
LOG_LEVEL = env.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error", "critical"))
LOGGING = logs.config(LOG_FORMAT, LOG_LEVEL.upper())
