"""The command line of `nanotriage dlq`: mistakes are sentences before any broker is asked, and outcomes are all told."""

from collections import Counter

import pytest

from tests.unit.deadletters.world import World
from workers.cli import main
from workers.commands.dlq import outcomes_json, outcomes_sentence
from workers.deadletters.plan import Outcome
from workers.exits import Exit

NOBODY = ("--task", "support_tickets", "--brokers", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("show", "17"), "give PARTITION/OFFSET"),
        (("show", "0/-1"), "give PARTITION/OFFSET"),
        (("ls", "--where", "resaon=empty"), "did you mean reason"),
        (("replay", "--yes", "--where", "age=1h"), "nothing is exactly so old"),
        (("replay", "--json"), "add --yes"),
    ],
)
def test_a_mistake_is_said_before_a_broker_is_asked(capsys, args, sentence):
    """With the exit code of a command line that is refused."""
    assert main(["dlq", *args, *NOBODY]) == Exit.USAGE
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("args", [("ls",), ("show", "0/1"), ("replay", "--yes"), ("replay", "--dry-run")])
def test_a_broker_that_is_not_there_is_said_in_a_sentence(capsys, args):
    """With the exit code of a broker."""
    assert main(["dlq", *args, *NOBODY]) == Exit.BROKER
    error = capsys.readouterr().err
    assert "127.0.0.1:1" in error
    assert "Traceback" not in error


def test_every_outcome_is_told():
    """In the sentence and as JSON."""
    job = World().job()
    outcomes = Counter({outcome: 11 + place for place, outcome in enumerate(Outcome)})
    said = outcomes_sentence(job, outcomes, done=True)
    assert all(str(count) in said for count in outcomes.values())
    assert outcomes_json(job, outcomes, done=False)["outcomes"] == {o.value: n for o, n in outcomes.items()}
    assert outcomes_sentence(job, Counter({Outcome.REPLAYED: 1}), done=False) == "1 letter would be sent back to in."
