"""The section `probe`: how messages of ours with known answers are told from everybody else's."""

from pydantic import Field, SecretStr

from workers.setting_base import Section


class ProbeSettings(Section):
    """The key by which probes are marked."""

    mark_key: SecretStr | None = Field(
        default=None,
        description="what marks a probe as one; the same for `nanotriage probe` and all workers, from the environment only",
    )
