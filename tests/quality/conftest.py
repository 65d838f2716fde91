"""The local model's files, kept for the session."""

from tests.modelserver_fixtures import model_data

__all__ = ["model_data"]
