"""Guarding: whether messages that share a call answer for themselves alone. Knows neither models nor topics."""
