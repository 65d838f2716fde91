"""A log that dies or freezes with its process: second implementations that pass everything on while their life lasts."""

import asyncio


class Life:
    """What a process's calls wait for: at once while it runs, until `thaw` while frozen, for ever once dead."""

    def __init__(self):
        self._running = asyncio.Event()
        self._running.set()
        self.dead = False
        self.in_doubt = 0

    def freeze(self):
        self._running.clear()

    def thaw(self):
        if not self.dead:
            self._running.set()

    def kill(self):
        self.dead = True
        self._running.clear()

    async def lives(self):
        await self._running.wait()


class MortalLog:
    """The log of one process."""

    def __init__(self, log, life):
        self._log, self._life = log, life
        self.intakes = []

    def intake(self, group):
        intake = MortalIntake(self._log.intake(group), self._life)
        self.intakes.append(intake.inner)
        return intake

    def writer(self, transactional_id, group):
        return MortalWriter(self._log.writer(transactional_id, group), self._life)

    def reader(self):
        return self._log.reader()

    async def publish(self, records):
        await self._with_life(self._log.publish, records)

    async def committed(self, group, partition):
        return await self._with_life(self._log.committed, group, partition)

    async def earliest(self, partition):
        return await self._with_life(self._log.earliest, partition)

    async def partitions(self, topic):
        return await self._with_life(self._log.partitions, topic)

    async def cluster_id(self):
        return await self._with_life(self._log.cluster_id)

    async def metadata_version(self):
        return await self._with_life(self._log.metadata_version)

    async def close(self):
        await self._log.close()

    async def _with_life(self, ask, *about):
        await self._life.lives()
        result = await ask(*about)
        await self._life.lives()
        return result


class MortalIntake:
    """Polls wait with their process; seeks and positions do not need it."""

    def __init__(self, inner, life):
        self.inner, self._life = inner, life
        self.seek, self.reached = inner.seek, inner.reached
        self.end_offset, self.partitions = inner.end_offset, inner.partitions

    async def start(self, topics, listener):
        await self._life.lives()
        await self.inner.start(topics, listener)

    async def poll(self, wanted, max_records, wait_seconds):
        await self._life.lives()
        records = await self.inner.poll(wanted, max_records, wait_seconds)
        await self._life.lives()
        return records

    def writer(self):
        return MortalWriter(self.inner.writer(), self._life)

    async def stop(self):
        if not self._life.dead:
            await self.inner.stop()


class MortalWriter:
    """A commit may be cut off before, or its answer after. The life counts the records of commits nobody heard the end of."""

    def __init__(self, inner, life):
        self._inner, self._life = inner, life
        self.discard = inner.discard

    async def open(self):
        await self._life.lives()
        await self._inner.open()
        await self._life.lives()

    async def commit(self, outgoing, committed):
        await self._life.lives()
        self._life.in_doubt += len(outgoing)
        await self._inner.commit(outgoing, committed)
        await self._life.lives()
        self._life.in_doubt -= len(outgoing)

    @property
    def epoch(self):
        return self._inner._epoch

    @epoch.setter
    def epoch(self, epoch):
        self._inner._epoch = epoch

    def is_fenced(self, epoch):
        return self._inner._cluster.transactions.is_fenced(self._inner._id, epoch)
