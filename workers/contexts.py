"""What the commands about conversations ask of a task first."""

from schemas.context import ContextRule
from schemas.task import Task
from workers.exits import UserError


def rule_of(task: Task) -> ContextRule:
    """Return the task's context. Raises UserError for a task without one."""
    if task.context is None:
        raise UserError(f"task {task.name} keeps no conversations: add `context: {{topic: NAME}}` to its file")
    return task.context
