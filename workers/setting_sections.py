"""The sections of the settings, and the contradictions each refuses. Values only: nothing here reads a file or the environment.

Every field has a description: it is the line of the settings table.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from workers.setting_base import SecretPath, Section, off
from workers.setting_controls import ControlSettings
from workers.setting_delivery import DeliverySettings, ExactlyOnceSettings
from workers.setting_guard import GuardSettings
from workers.setting_limits import LimitSettings
from workers.setting_model import ModelSettings
from workers.setting_probe import ProbeSettings
from workers.setting_promise import AuditSettings, PromiseSettings

LAST_PORT = 65_535
PREFIX = "NANOTRIAGE_"
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


def _broker_list(brokers: str) -> str:
    for broker in brokers.split(","):
        host, colon, port = broker.strip().rpartition(":")
        if not (host and colon and port.isdecimal() and 0 < int(port) <= LAST_PORT):
            raise ValueError("should be host:port, or several of them separated by commas")
    return brokers


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class KafkaSettings(Section):
    """The cluster, and our name in it."""

    brokers: Annotated[str, AfterValidator(_broker_list)] = Field(
        default="127.0.0.1:9092", description="host:port, comma separated"
    )
    group: GroupName = Field(default="nanotriage", description="consumer group")
    app: GroupName = Field(default="nanotriage", description="first part of every transactional id")
    security: Annotated[Security, BeforeValidator(_upper)] = Field(default="PLAINTEXT", description="security protocol")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="SASL mechanism"
    )
    username: str | None = Field(default=None, min_length=1, description="SASL user")
    password_file: SecretPath | None = Field(default=None, description="file that holds the SASL password")
    password: SecretStr | None = Field(default=None, description="SASL password; from the environment only")
    ca_file: Path | None = Field(default=None, description="PEM file of the authorities that signed the brokers' certificates")
    cert_file: Path | None = Field(default=None, description="PEM file of our own certificate (mutual TLS)")
    key_file: Path | None = Field(default=None, description="PEM file of our certificate's private key")
    group_instance_id: GroupName | None = Field(
        default=None,
        description="static membership (KIP-345): unique per worker; a stopped one keeps its partitions for a session",
    )
    session_timeout_seconds: float = Field(
        default=15, ge=6, le=1800, description="a worker silent for so long loses its partitions"
    )
    stream_epoch: int = Field(
        default=1, ge=1, description="raise it when a topic was deleted and made anew: part of every event id"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in _security_problems(self):
            raise ValueError(problem)
        return self


def _security_problems(kafka: KafkaSettings) -> list[str]:
    sasl, tls = kafka.security.startswith("SASL"), kafka.security.endswith("SSL")
    problems = []
    if kafka.password is not None and kafka.password_file is not None:
        problems.append("password and password_file are both set: keep one")
    if sasl:
        missing = [name for name in ("sasl_mechanism", "username") if getattr(kafka, name) is None]
        problems += [f"security {kafka.security} needs {name}" for name in missing]
    if sasl and kafka.password is None and kafka.password_file is None:
        problems.append(f"security {kafka.security} needs password_file")
    if not sasl:
        problems += [
            f"{name} is set but security is {kafka.security}: use SASL_SSL, or remove {name}"
            for name in ("sasl_mechanism", "username", "password_file", "password")
            if getattr(kafka, name) is not None
        ]
    if not tls:
        problems += [
            f"{name} is set but security {kafka.security} uses no TLS: use {'SASL_SSL' if sasl else 'SSL'}, or remove {name}"
            for name in ("ca_file", "cert_file", "key_file")
            if getattr(kafka, name) is not None
        ]
    if (kafka.cert_file is None) != (kafka.key_file is None):
        problems.append("cert_file and key_file belong together: set both or none")
    return problems


class BatchingSettings(Section):
    """When a micro-batch is closed, and how much may wait."""

    max_items: int = Field(default=16, ge=1, le=256, description="messages in one call at most; fewer if that wastes nothing")
    max_tokens: int = Field(default=6000, ge=256, description="tokens of one call at most, prompt and answer")
    linger_seconds: float = Field(default=0.2, ge=0, le=60, description="longest wait of a message for company")
    max_waiting: int = Field(default=2000, ge=1, le=1_000_000, description="messages held at most; consuming pauses above it")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_waiting < self.max_items:
            raise ValueError(f"max_waiting {self.max_waiting} is below max_items {self.max_items}: no batch could fill")
        return self


class BrakeSettings(Section):
    """When dead letters stop the line instead of going on."""

    dead_run: int = Field(default=200, ge=1, description="dead letters of a partition in a row")
    dead_share: float = Field(default=0.5, gt=0, le=1, description="share of dead letters among a partition's last outcomes")
    window: int = Field(default=1000, ge=10, le=100_000, description="how many last outcomes the share is of")


class HealthSettings(Section):
    """Where /live, /ready and /metrics answer."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 in a container")
    port: Annotated[int | None, BeforeValidator(off)] = Field(
        default=8080, ge=0, le=LAST_PORT, description="0 is any free port, off is none"
    )


class LogSettings(Section):
    """What is written to stderr."""

    format: Literal["auto", "json", "console"] = Field(default="auto", description="auto is console on a terminal, else json")
    level: Annotated[Level, BeforeValidator(_upper)] = Field(default="INFO", description="least level written")


class Settings(BaseSettings):
    """Everything a worker may be told. Frozen; contradictions are refused here."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    delivery: DeliverySettings = ExactlyOnceSettings()
    model: ModelSettings = ModelSettings()
    limits: LimitSettings = LimitSettings()
    batching: BatchingSettings = BatchingSettings()
    guard: GuardSettings = GuardSettings()
    brake: BrakeSettings = BrakeSettings()
    audit: AuditSettings = AuditSettings()
    promise: PromiseSettings = PromiseSettings()
    probe: ProbeSettings = ProbeSettings()
    controls: ControlSettings = ControlSettings()
    health: HealthSettings = HealthSettings()
    logs: LogSettings = LogSettings()
    calibration_folder: Path | None = Field(
        default=None, description="where calibrations are, named <task>.calibration.json; by default beside the task file"
    )
    stop_seconds: float = Field(default=25, gt=0, le=600, description="one deadline for a graceful stop")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (pydantic-settings passes all of them by name)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keep the constructor pure: only its arguments count."""
        return (init_settings,)
