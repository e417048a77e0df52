"""The one row of the wiring: which workers are alive."""

from django.db import models


class WorkerHeartbeat(models.Model):
    """A worker process and when it last did its rounds; written by the worker itself."""

    name = models.CharField(max_length=120, unique=True)  # host and process id
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    # What the last sweep saw: how long it took and what waits.
    sweep_ms = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
