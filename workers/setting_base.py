"""What every section of the settings is made of."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A value that cannot change, refuses words it does not know, and quotes no input in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def off(value: object) -> object:
    """Neither TOML nor the environment has a null: `off` and `none` stand for it."""
    return None if isinstance(value, str) and value.lower() in {"off", "none"} else value
