"""Reads settings from the environment; a wrong value stops the start with its name.

Every variable may also be given as NAME_FILE, a path whose content is the value (container
secrets). NAME wins where both are set. An empty value counts as not set.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import time
from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

_environ = environ.Env()


def load_dotenv(path: Path) -> None:
    """Read a `.env` file; what the real environment already says is left alone."""
    if path.is_file():
        environ.Env.read_env(path)


def text(name: str, default: str = "") -> str:
    """The value without surrounding blanks, or the default."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    path = os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return default
    try:
        return Path(path).read_text(encoding="utf-8").strip() or default
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error}") from error


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: expected true or false")


def integer(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r}: expected a whole number") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}={value!r}: expected {least} to {most}")
    return number


def seconds(name: str, default: float, *, least: float = 0, most: float = 86400) -> timedelta:
    value = text(name)
    try:
        number = float(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r}: expected seconds") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}={value!r}: expected {least} to {most} seconds")
    return timedelta(seconds=number)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default).lower()
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r}: expected one of {', '.join(allowed)}")
    return value


def country(name: str) -> str:
    """Two letters, such as CH; empty when unset."""
    value = text(name).upper()
    if value and not (len(value) == 2 and value.isascii() and value.isalpha()):
        raise ImproperlyConfigured(f"{name}={value!r}: expected two letters, such as CH")
    return value


def topic(name: str) -> str:
    """A topic of an ntfy server; empty when unset."""
    value = text(name)
    if value and not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", value):
        expected = "expected 1 to 64 letters, digits, hyphens and underscores"
        raise ImproperlyConfigured(f"{name}={value!r}: {expected}")
    return value


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A comma-separated list."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else list(default)


def networks(name: str) -> list[str]:
    """A comma-separated list of addresses and networks, or the word private."""
    found = [word.lower() for word in words(name)]
    for word in found:
        try:
            word == "private" or ipaddress.ip_network(word)
        except ValueError:
            expected = "expected networks such as 192.168.1.0/24 or an address, or private"
            raise ImproperlyConfigured(f"{name}={word!r}: {expected}") from None
    return found


def words_of(name: str, known: tuple[str, ...]) -> list[str]:
    """A comma-separated list of some of these."""
    found = words(name)
    if unknown := [word for word in found if word not in known]:
        raise ImproperlyConfigured(f"{name}={unknown[0]!r}: expected some of {', '.join(known)}")
    return found


def rates(name: str) -> dict[str, tuple[int, int]]:
    """`sms=5/30,ntfy=10/60`: by name, how many a minute and how many an hour, both at least 1."""
    found = {}
    for word in words(name):
        match = re.fullmatch(r"([a-z_]+)=([1-9]\d{0,4})/([1-9]\d{0,4})", word)
        if match is None:
            raise ImproperlyConfigured(f"{name}={word!r}: expected such as sms=5/30")
        found[match[1]] = (int(match[2]), int(match[3]))
    return found


def url(name: str, default: str) -> str:
    """An http(s) address without a trailing slash."""
    value = text(name, default).rstrip("/")
    scheme, _, rest = value.partition("://")
    if scheme not in {"http", "https"} or not rest or any(c.isspace() for c in value):
        raise ImproperlyConfigured(f"{name}={value!r}: expected an address such as {default}")
    return value


def optional_url(name: str) -> str:
    """As `url`; empty where it is not set."""
    return url(name, "https://example.api.infobip.com") if text(name) else ""


LEAST_TOKEN_LENGTH = 16


def token(name: str) -> str:
    """What whoever sends it is let in by; empty when unset. Its value is never repeated."""
    value = text(name)
    if value and len(value) < LEAST_TOKEN_LENGTH:
        raise ImproperlyConfigured(f"{name}: expected at least {LEAST_TOKEN_LENGTH} characters")
    return value


def providers(name: str, **configured: bool) -> list[str]:
    """In which order providers are tried; unset: those that are configured.

    One that is named but not configured stops the start: whoever named it counts on it.
    """
    named = words(name)
    for provider in named:
        if provider not in configured:
            known = ", ".join(configured)
            raise ImproperlyConfigured(f"{name}={provider!r}: expected one of {known}")
        if not configured[provider]:
            raise ImproperlyConfigured(f"{name}: {provider} is named, but its settings are not set")
    return named or [provider for provider, is_set in configured.items() if is_set]


def database(name: str, default: str) -> dict[str, object]:
    """A database URL as Django's settings want it: SQLite or PostgreSQL."""
    value = text(name, default)
    try:
        config: dict[str, object] = environ.Env.db_url_config(value)
    except Exception:
        config = {}
    if config.get("ENGINE") not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
        # The value is not repeated: it may hold a password.
        raise ImproperlyConfigured(
            f"{name}: expected sqlite:///path/to/file or postgres://user:password@host:5432/name"
        )
    return config


PLACEHOLDER_KEYS = {"change-me", "changeme", "secret", "django-insecure", "placeholder"}
LEAST_KEY_LENGTH = 32


def secret_key(environment: str, data_dir: Path) -> str:
    """SECRET_KEY; in development one is made once and kept, readable by its owner only.

    In production a key that is unset, short or a placeholder stops the start: sessions, answer
    links and queued work are only as safe as this key.
    """
    key = text("SECRET_KEY")
    if environment == "production":
        weak = len(key) < LEAST_KEY_LENGTH or any(word in key.lower() for word in PLACEHOLDER_KEYS)
        if weak:
            raise ImproperlyConfigured(
                f"SECRET_KEY: expected at least {LEAST_KEY_LENGTH} random characters in production"
            )
    return key or _kept_key(data_dir / "secret_key")


def _kept_key(path: Path) -> str:
    try:
        # Exclusive creation: of two processes that start together one writes, the other reads.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_kept_key(path)
    with os.fdopen(handle, "w") as file:
        key = secrets.token_urlsafe(48)
        file.write(key)
    return key


def _read_kept_key(path: Path) -> str:
    for _ in range(50):
        if key := path.read_text(encoding="utf-8").strip():
            return key
        time.sleep(0.02)  # its maker is between creating and writing
    raise ImproperlyConfigured(f"SECRET_KEY: {path} is empty; delete it or set SECRET_KEY")
