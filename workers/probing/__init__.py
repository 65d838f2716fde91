"""Probes: messages of ours with known answers that go through the real pipeline. Pure; `workers.prober` sends and reads."""
