"""Evaluating: what a task's events are worth, measured against labels that neither worker nor model ever saw."""
