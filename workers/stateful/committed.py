"""A transport for faust that reads committed records only.

faust asks for them only in its exactly-once mode, which is not used. Without this an aborted transaction's records count:
those of a worker that was killed, or of a transactional producer of the source.
"""

from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 (faust takes no setting for it; the fetcher is made later)
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer


def reading_committed(app: faust.App) -> faust.App:
    """Return the application, with a consumer that reads committed records."""
    app.transport = _Transport(app.conf.broker_consumer, app)
    return app
