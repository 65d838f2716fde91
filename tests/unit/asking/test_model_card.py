"""What lists of models tell, as they were seen in the wild."""

from datetime import date

import orjson
import pytest

from workers.asking.model_card import ModelCard, read_cards


@pytest.mark.parametrize(
    ("row", "card"),
    [
        ({"shutdown_date": "2026-12-11"}, ModelCard(date(2026, 12, 11))),
        ({"max_model_len": 4096}, ModelCard(None, 4096)),
        ({"context_window": 131072, "max_completion_tokens": 8192}, ModelCard(None, 131072, 8192)),
        ({"context_length": 400000, "top_provider": {"max_completion_tokens": 128000}}, ModelCard(None, 400000, 128000)),
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 8192}}, ModelCard(None, 4096)),
        ({"shutdown_date": "soon", "max_model_len": "4096", "top_provider": None}, ModelCard()),
        ({"shutdown_date": 7, "max_model_len": True, "context_length": -1}, ModelCard()),
    ],
    ids=["OpenAI", "vLLM", "Groq", "OpenRouter", "llama.cpp", "words", "nonsense"],
)
def test_a_row_is_read(row, card):
    """Whoever tells a thing under its own name is understood; what is no count or no date was not told."""
    assert read_cards(orjson.dumps({"data": [{"id": "nano", **row}]})) == {"nano": card}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":7}', b'{"data":[7]}', b'{"data":[{}]}', b"<html>"])
def test_what_is_no_list_tells_nothing(body):
    """A proxy's page is no model's card."""
    assert read_cards(body) == {}
