"""The valve between what faust has fetched and what its agents are given.

faust (0.15.3) opens it twice after a rebalance, and throws away each time what lies behind it: also what was fetched in
between, which is not read again. Ours throws away only when it was shut.
"""

from mode.utils.queues import FlowControlEvent


class Flow(FlowControlEvent):
    """Like the original, but to open what is open changes nothing."""

    def resume(self) -> None:
        if not self.is_active():
            super().resume()
