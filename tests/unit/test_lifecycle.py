"""A worker's start, in memory: what is found of the model is told before the first record is read."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from schemas.task import Task
from tests.fakes.scripted_model import ScriptedModel
from topics.memory import MemoryCluster
from workers.asking.model_card import ModelCard
from workers.exits import UserError
from workers.lifecycle import Worker, run_worker
from workers.settings import load_settings
from workers.taskfiles import LoadedTask


def task(name):
    return Task.model_validate(
        {
            "name": name,
            "source": {"topic": f"{name}.in", "text": "body"},
            "instructions": "Label the tickets.",
            "fields": {"intent": {"kind": "label", "labels": {"cancel": "", "track": ""}}},
            "thresholds": {"default": 0.5},
            "routes": {"labelled": f"{name}.labelled", "escalated": f"{name}.escalated", "dead": f"{name}.dead"},
        }
    )


def worker_of(model, card, *names, **flags):
    cluster = MemoryCluster()
    tasks = [task(name) for name in names]
    for each in tasks:
        for topic in (each.source.topic, *each.routes.topics()):
            cluster.create(topic, 1)
    settings = load_settings({"health.port": 0, "model.name": "nano", **flags})
    loaded = [LoadedTask(each, Path("task.yaml"), None, None, None, None, {}) for each in tasks]

    async def told(_name):
        return card

    return Worker(settings, loaded, cluster.log(), model, "test", card=told)


async def metrics_of(worker):
    """Run the worker until it has started, and return what it exports then."""
    stop, told = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.ensure_future(run_worker(worker, stop, told.set_result))
    await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    try:
        if running.done():
            await running
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{told.result()}/metrics") as response:
            return dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
    finally:
        stop.set()
        await asyncio.wait({running})


async def test_what_the_model_can_do_and_its_end_are_exported_at_start():
    """Two tasks of one route: what the first found is not asked again for the second."""
    model = ScriptedModel()
    end = datetime.now(UTC).date() + timedelta(days=90)
    exported = await metrics_of(worker_of(model, ModelCard(end), "one", "two"))
    assert exported['nanotriage_model_capability{capability="json_schema"}'] == "1.0"
    assert exported['nanotriage_model_capability{capability="logprobs"}'] == "0.0"
    assert not [name for name in exported if 'capability="decisions"' in name]
    assert float(exported['nanotriage_model_shutdown_days{model="nano"}']) in (89, 90)
    assert len(model.texts) == 3


async def test_a_task_that_does_not_fit_the_model_is_refused_at_start():
    """In one sentence, before anything is consumed."""
    with pytest.raises(UserError, match="takes 300 tokens in one call"):
        await metrics_of(worker_of(ScriptedModel(), ModelCard(None, 300), "one"))
