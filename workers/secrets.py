"""Secrets: read from files, again whenever they are needed, so that a rotated key is taken up without a restart."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from workers.settings import KafkaSettings, ModelSettings, SettingsRefused

MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds one secret. `setting` is its name in errors."""

    path: Path
    setting: str

    def read(self) -> SecretStr:
        """Return what the file holds now, without the newline at its end.

        Raises SettingsRefused when it is missing, unreadable, empty, more than one line, or writable by everybody.
        """
        try:
            mode = self.path.stat().st_mode
            content = self.path.read_bytes() if stat.S_ISREG(mode) and self.path.stat().st_size <= MOST_BYTES else None
        except OSError as error:
            raise self._refused(f"cannot be read ({error.strerror})") from None
        if content is None:
            raise self._refused("is not a small regular file: give the path of a file with the secret on one line")
        if mode & stat.S_IWOTH:
            raise self._refused(f"can be written by everybody: chmod o-w {self.path}")
        try:
            secret = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise self._refused("is not UTF-8 text") from None
        if not secret.strip():
            raise self._refused("is empty: write the secret into it")
        if not secret.isprintable():
            raise self._refused("holds more than one line, or control characters: write the secret alone into it")
        return SecretStr(secret)

    def _refused(self, what: str) -> SettingsRefused:
        return SettingsRefused(f"{self.setting}: {self.path} {what}")


def kafka_password(kafka: KafkaSettings) -> SecretStr | None:
    """Return the SASL password, or None when security needs none. Raises SettingsRefused."""
    if kafka.password_file is not None:
        return SecretFile(kafka.password_file, "kafka.password_file").read()
    return kafka.password


def model_api_key(model: ModelSettings, environment: Mapping[str, str] = os.environ) -> SecretStr | None:
    """Return the endpoint's API key, or None: then no key may be sent. Raises SettingsRefused.

    OPENAI_API_KEY counts only when `base_url` is OpenAI's own over https, so that it is never shown to another endpoint.
    The openai package would read the variable by itself: callers give it this key, or a placeholder, and never None.
    """
    if model.api_key_file is not None:
        return SecretFile(model.api_key_file, "model.api_key_file").read()
    if model.api_key is not None:
        return model.api_key
    implicit = environment.get("OPENAI_API_KEY") if model.is_openai() else None
    return SecretStr(implicit) if implicit else None
