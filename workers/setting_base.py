"""What every section of the settings is made of."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """A value that cannot change, refuses words it does not know, and quotes no input in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def off(value: object) -> object:
    """Neither TOML nor the environment has a null: `off` and `none` stand for it."""
    return None if isinstance(value, str) and value.lower() in {"off", "none"} else value


def _path_of_secret(path: Path) -> Path:
    if path.name.startswith("sk-"):
        raise ValueError("should be the path of a file that holds the secret, and looks like the secret itself")
    return path


SecretPath = Annotated[Path, AfterValidator(_path_of_secret)]
