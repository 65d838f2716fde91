"""The model files, for the tests that need them."""

from tests.modelserver_fixtures import model_data, weights

__all__ = ["model_data", "weights"]
