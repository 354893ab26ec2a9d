"""The parts of a task that several engines work on at once."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from datasync_app.models.sync import SyncTask


class ShardState(models.TextChoices):
    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    DONE = "done", _("done")


class SyncShard(models.Model):
    """A range of a task, of some datasets that are fetched side by side.

    Who works on it is `owner`, under `fence`, which grows with every claim: an engine that was frozen
    and revived finds another there and commits nothing. `number` is the order of work, `cells` what
    was planned, `report` what became of it.
    """

    task = models.ForeignKey(SyncTask, related_name="shards", on_delete=models.CASCADE)
    number = models.PositiveIntegerField()
    datasets = models.JSONField()
    first = models.DateField()
    last = models.DateField()
    cells = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=ShardState.choices, default=ShardState.WAITING)
    owner = models.UUIDField(null=True)
    fence = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    done_cells = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    report = models.JSONField(null=True)

    class Meta:
        db_table = "sync_shard"
        ordering = ["task", "number"]
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="shard_by_number")]

    def __str__(self) -> str:
        return f"shard {self.number} of task {self.task_id}, {self.first} to {self.last}"
