"""The present Overseer behind the interface that the coming one has."""

from dataclasses import dataclass

from dgcc.master.overseer import Action, Overseer


@dataclass(frozen=True, slots=True)
class Want:
    priority: float = 0.0
    expected_s: float = 0.0
    memory: int = 0
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    slots: int
    memory: int = 0
    speed: float = 1.0


class Present(Overseer):
    def joined(self, slave: int, host: Host, now: float) -> list[Action]:  # type: ignore[override]
        return super().joined(slave, host.name, host.slots, now)

    def ready(self, job: int, now: float, want: Want = Want()) -> list[Action]:  # noqa: B008
        return super().ready(job, now)
