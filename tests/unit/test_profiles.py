"""Profiles: the first request of a known model is already a good one, and its end is told in time."""

from datetime import date, timedelta

import pytest

from workers.profiles import WARN_DAYS, Profile, profile_of, shutdown_sentence
from workers.settings import load_settings
from workers.wiring.model import dialect_of, wishes_of

END = date(2026, 12, 11)


def model_settings(**flags):
    return load_settings({f"model.{name}": value for name, value in flags.items()}).model


def test_a_model_is_known_by_its_dated_name_too():
    """A snapshot is its model; a name of nobody is asked as any other model."""
    assert profile_of("gpt-5-nano-2025-08-07") == profile_of("gpt-5-nano") != Profile()
    assert profile_of("my-own-model") == Profile()


def test_the_default_model_is_told_not_to_reason():
    """Reasoning would be billed, eat the room of the answer, and forbid temperature and log-probabilities."""
    dialect = dialect_of(model_settings())
    assert (dialect.reasoning_effort, dialect.temperature) == ("none", 0)
    assert wishes_of(model_settings()).insisted == frozenset()


def test_what_the_operator_sets_goes_before_the_profile():
    """An effort, a temperature and log-probabilities that he names are sent and never left out."""
    mine = model_settings(name="gpt-5-nano", reasoning_effort="low", temperature=1, logprobs="on")
    assert (dialect_of(mine).reasoning_effort, dialect_of(mine).temperature) == ("low", 1)
    assert wishes_of(mine).logprobs == "on"
    assert wishes_of(mine).insisted == {"reasoning_effort", "temperature"}


def test_what_a_model_is_known_to_refuse_is_not_sent():
    """gpt-5-nano takes no temperature and has no log-probabilities."""
    theirs = model_settings(name="gpt-5-nano")
    assert (dialect_of(theirs).reasoning_effort, dialect_of(theirs).temperature) == ("minimal", None)
    assert wishes_of(theirs).logprobs == "off"


@pytest.mark.parametrize(
    ("days", "said"), [(WARN_DAYS + 1, None), (WARN_DAYS, "in 60 days"), (0, "in 0 days"), (-1, "1 days ago")]
)
def test_the_end_of_a_model_is_told_in_time(days, said):
    """From two months before; silent while it is far, or where no date is known."""
    sentence = shutdown_sentence("nano", END, END - timedelta(days=days))
    assert (sentence is None) == (said is None)
    assert said is None or said in sentence
    assert shutdown_sentence("nano", None, END) is None
