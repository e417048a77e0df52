"""A backup as one file: a zip of the data and a manifest that says what each part must be."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils.crypto import salted_hmac

MANIFEST, PRODUCT, FORMAT = "manifest.json", "PagerPal", 1
CHUNK = 1024 * 1024


class NotUsable(Exception):
    """This file cannot be restored here; says why."""


@dataclass
class Manifest:
    """What a backup says about itself."""

    made_at: str
    database: str
    product: str = PRODUCT
    format: int = FORMAT
    version: str = ""
    # Which SECRET_KEY signed what is in it; not the key.
    key_hint: str = ""
    migrations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    # Of tables that are stored one by one: their columns, in order.
    columns: dict[str, list[str]] = field(default_factory=dict)
    # Of each part: its SHA-256.
    parts: dict[str, str] = field(default_factory=dict)


def version() -> str:
    """As CHANGELOG.md says in its top heading."""
    try:
        text = (settings.BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^## (\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def key_hint() -> str:
    """Tells two keys apart and gives neither away."""
    return salted_hmac("pagerpal.backup", "key", algorithm="sha256").hexdigest()[:16]


class Hashing:
    """Writes through, and knows the SHA-256 of what was written."""

    def __init__(self, to: IO[bytes]) -> None:
        self._to = to
        self._hash = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        self._hash.update(data)
        return self._to.write(data)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class Writer:
    """Collects parts; `finish` writes the manifest that makes it a backup."""

    def __init__(self, file: zipfile.ZipFile, made_at: datetime, database: str) -> None:
        self._zip = file
        self.manifest = Manifest(
            made_at=made_at.isoformat(timespec="seconds"),
            database=database,
            version=version(),
            key_hint=key_hint(),
        )

    @contextmanager
    def part(self, name: str) -> Iterator[Hashing]:
        with self._zip.open(name, "w", force_zip64=True) as to:
            hashing = Hashing(to)
            yield hashing
        self.manifest.parts[name] = hashing.digest

    def add(self, name: str, path: Path) -> None:
        with path.open("rb") as source, self.part(name) as to:
            while chunk := source.read(CHUNK):
                to.write(chunk)

    def finish(self) -> None:
        self._zip.writestr(MANIFEST, json.dumps(asdict(self.manifest), indent=1))


@contextmanager
def written(path: Path, made_at: datetime, database: str) -> Iterator[Writer]:
    """A new archive that only its owner can read; there is none, or the old one, on failure."""
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=5) as zipped:
                writer = Writer(zipped, made_at, database)
                yield writer
                writer.finish()
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Archive:
    """A backup whose every part has been looked at."""

    def __init__(self, path: Path) -> None:
        """Read all of it once; NotUsable when it is cut, changed or no backup of PagerPal."""
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest = _manifest(self._zip)
            self._check_parts()
        except OSError as error:
            raise NotUsable(f"{path} cannot be read: {error}") from error
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise NotUsable(f"{path} is no backup, or is damaged: {error}") from error
        except Exception as error:
            if isinstance(error, NotUsable):
                raise
            raise NotUsable(f"{path} is damaged: {error}") from error

    def has(self, name: str) -> bool:
        return name in self.manifest.parts

    def read(self, name: str) -> Iterator[bytes]:
        with self._zip.open(name) as part:
            while chunk := part.read(CHUNK):
                yield chunk

    def extract(self, name: str, to: Path) -> None:
        """To a new file that only its owner can read."""
        to.unlink(missing_ok=True)
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in self.read(name):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())

    def _check_parts(self) -> None:
        names = set(self._zip.namelist()) - {MANIFEST}
        if names != set(self.manifest.parts):
            raise NotUsable("Damaged: it does not hold the parts that its manifest names.")
        for name, digest in self.manifest.parts.items():
            found = hashlib.sha256()
            for chunk in self.read(name):
                found.update(chunk)
            if found.hexdigest() != digest:
                raise NotUsable(f"Damaged: {name} is not what was written.")


def _manifest(file: zipfile.ZipFile) -> Manifest:
    try:
        values: dict[str, Any] = json.loads(file.read(MANIFEST))
        product, number = values["product"], values["format"]
    except (KeyError, ValueError, TypeError):
        raise NotUsable("This is no backup of PagerPal: it has no manifest.") from None
    if product != PRODUCT:
        raise NotUsable(f"This is no backup of PagerPal but of {product}.")
    if number != FORMAT:
        raise NotUsable("A newer PagerPal made this backup: restore it with that one.")
    try:
        return Manifest(**values)
    except TypeError as error:
        raise NotUsable(f"Its manifest is damaged: {error}") from None
