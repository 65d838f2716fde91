"""One model server in the foreground: `python -m workers.modelserver --port N`. Ends in order on SIGTERM and SIGINT."""

import logging
import sys
import time
from pathlib import Path

from aiohttp import web

from workers.exits import UserError, ended
from workers.modelserver.labeller import Labeller
from workers.modelserver.llama import serve_llama
from workers.modelserver.options import Kind, ModelOptions, read_options
from workers.modelserver.server import ModelServer, Served

_SHUTDOWN_SECONDS = 2.0


def main() -> int:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    return ended(lambda: _serve(read_options(sys.argv[1:])), as_json=False)


def _serve(options: ModelOptions) -> int:
    api_key = None if options.api_key_file is None else _read_key(options.api_key_file)
    if options.kind is Kind.LLM:
        serve_llama(options, api_key)
        return 0
    labeller, fingerprint = _labeller(options)
    served = Served(labeller, fingerprint, int(time.time()), api_key)
    try:
        web.run_app(
            ModelServer(served).app(),
            host=options.host,
            port=options.port,
            print=None,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
    except OSError as error:
        raise UserError(f"cannot listen on {options.host}:{options.port} ({error.strerror}): choose another port") from error
    return 0


def _labeller(options: ModelOptions) -> tuple[Labeller, str]:
    """Return the labeller and the fingerprint of what its answers depend on; the classifier is ready to answer."""
    if options.kind is Kind.RANDOM:
        from workers.modelserver.random_labeller import RandomLabeller  # noqa: PLC0415

        return RandomLabeller(options.seed), f"fp_random_{options.seed}"
    # Here, not above: the negative control and llama.cpp need neither onnxruntime nor tokenizers.
    from workers.modelserver.classifier import Classifier  # noqa: PLC0415
    from workers.modelserver.embedder import Embedder  # noqa: PLC0415
    from workers.modelserver.examples import RememberedEmbedder, task_examples  # noqa: PLC0415
    from workers.modelserver.head_store import HeadStore  # noqa: PLC0415
    from workers.modelserver.weights import find_weights  # noqa: PLC0415

    examples = [field for task in options.tasks for field in task_examples(task)]
    embedder = Embedder(find_weights(options.models_folder))
    heads = HeadStore(embedder, examples, RememberedEmbedder(embedder, options.models_folder))
    fingerprint = heads.prepare()
    return Classifier(embedder, heads), fingerprint


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the key file {path} cannot be read ({error}): give a text file that holds the key") from error
    if not key:
        raise UserError(f"the key file {path} is empty: write the key into it")
    return key


if __name__ == "__main__":
    sys.exit(main())
