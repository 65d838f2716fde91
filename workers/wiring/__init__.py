"""Wiring: the one place where parts meet. Plain constructor calls; clocks, chance and the environment enter here."""
