"""Promising: from labelled answers to a threshold that keeps a promise, and to probabilities that mean what they say. Pure."""
