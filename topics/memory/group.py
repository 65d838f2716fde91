"""A consumer group in memory: everybody gives everything up, then gets a share (the eager protocol)."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from topics.record import Partition

Name = TypeVar("Name")


class Member(Protocol):
    """What a group asks of its members."""

    async def revoke(self) -> Collection[Partition]:
        """Give everything up and return what it was."""

    def assign(self, partitions: Collection[Partition]) -> None:
        """Take the partitions."""


class Group:
    """The members, in the order they joined, and the topics each wants. `generation` counts the rebalances."""

    def __init__(self, partitions: Callable[[str], Sequence[Partition]]) -> None:
        self._partitions = partitions
        self._members: dict[Member, frozenset[str]] = {}
        self.generation = 0
        self._rebalancing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    async def join(self, member: Member, topics: Collection[str]) -> None:
        """Return when the member has its share."""
        self._members[member] = frozenset(topics)
        await self.rebalance()

    def leave(self, member: Member) -> None:
        """Forget the member at once; the others share what it had soon after."""
        if self._members.pop(member, None) is not None:
            self.rebalance_soon()

    def rebalance_soon(self) -> None:
        if self._members:
            task = asyncio.get_running_loop().create_task(self.rebalance())
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def rebalance(self) -> None:
        async with self._rebalancing:
            members = list(self._members)
            had = await asyncio.gather(*(member.revoke() for member in members))
            previous = {partition: member for member, owned in zip(members, had, strict=True) for partition in owned}
            staying = {member: self._members[member] for member in members if member in self._members}
            topics = frozenset[str]().union(*staying.values())
            self.generation += 1
            shares = share({topic: self._partitions(topic) for topic in topics}, staying, previous)
            for member, partitions in shares.items():
                member.assign(partitions)


def share(
    partitions: Mapping[str, Sequence[Partition]],
    members: Mapping[Name, Collection[str]],
    previous: Mapping[Partition, Name],
) -> Mapping[Name, Collection[Partition]]:
    """Return each member's partitions, as evenly as their topics allow, moving as few as possible (KIP-54)."""
    shares: dict[Name, list[Partition]] = {member: [] for member in members}
    every = sorted(partition for topic in partitions for partition in partitions[topic])
    if not shares:
        return shares
    fair, larger_shares = divmod(len(every), len(shares))
    homeless = []
    for partition in every:
        owner = previous.get(partition)
        if owner is None or owner not in shares or partition.topic not in members[owner]:
            homeless.append(partition)
        elif len(shares[owner]) < fair:
            shares[owner].append(partition)
        elif len(shares[owner]) == fair and larger_shares > 0:
            larger_shares -= 1
            shares[owner].append(partition)
        else:
            homeless.append(partition)
    for partition in homeless:
        wanting = [member for member in shares if partition.topic in members[member]]
        if wanting:
            poorest = min(wanting, key=lambda member: len(shares[member]))
            shares[poorest].append(partition)
    return shares
