"""What the documentation shows of settings and metrics is generated, and changes only on purpose."""

from workers.metrics import Metrics, metrics_markdown
from workers.settings import settings_markdown


def test_the_settings_table_is_the_one_we_document(golden) -> None:
    """Every setting, its variable, default and values."""
    golden("settings.md", settings_markdown())


def test_the_metrics_table_is_the_one_we_document(golden) -> None:
    """Every metric with type, labels, unit and meaning."""
    golden("metrics.md", metrics_markdown())


def test_the_exposition_of_an_untouched_registry_is_known(golden) -> None:
    """Names and help texts that dashboards and alerts rely on."""
    golden("metrics.txt", Metrics("0.0.0").exposition().decode())
