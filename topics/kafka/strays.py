"""Requests of a transaction whose answer never came, so that they may still be under way.

aiokafka sends such a request again by itself, over a new connection, and goes on as if nothing had been. But the first one
may yet arrive in the middle of the next transaction of the same epoch and commit half of it, or take its offset back
(KIP-890; brokers cannot tell for clients without it). The only defence is a new epoch: never use the producer again.
"""

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

_WITHOUT_SEQUENCE = (AddPartitionsToTxnRequest, AddOffsetsToTxnRequest, TxnOffsetCommitRequest, EndTxnRequest)


class Strays:
    """Counts them for one producer. Records need no counting: their sequence numbers unmask a late copy."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.seen = 0
        self._send = producer.client.send
        producer.client.send = self._watched

    async def _watched(self, node_id: Any, request: Any, **options: Any) -> Any:
        try:
            return await self._send(node_id, request, **options)
        except BaseException:
            if isinstance(request, _WITHOUT_SEQUENCE):
                self.seen += 1
            raise
