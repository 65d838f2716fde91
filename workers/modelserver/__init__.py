"""A local model server: a classifier behind the door of an OpenAI-compatible API, for demos and tests without a key.

It is no language model. Labels come from sentence embeddings with calibrated linear heads, extracted values from rules; it
writes no free text. What it answers is real: it depends on the text, and its probabilities mean what they say.
"""
