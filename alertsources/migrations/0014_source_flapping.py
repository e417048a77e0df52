"""What counts as flapping, and how long it is held, by source; 0 times where it was switched off."""

from datetime import timedelta
from typing import Any

import django.core.validators
from django.db import migrations, models

A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(days=1)
BETWEEN = [
    django.core.validators.MinValueValidator(A_MINUTE, "A minute is the least."),
    django.core.validators.MaxValueValidator(A_DAY, "A day is the most."),
]


def keep_off(apps: Any, schema_editor: Any) -> None:
    sources = apps.get_model("alertsources", "AlertSource").objects
    for source in sources.filter(settings__flapping=False):
        source.settings.pop("flapping")
        source.flapping_times = 0
        source.save(update_fields=["settings", "flapping_times"])


def keep_off_as_before(apps: Any, schema_editor: Any) -> None:
    sources = apps.get_model("alertsources", "AlertSource").objects
    for source in sources.filter(flapping_times=0):
        source.settings["flapping"] = False
        source.save(update_fields=["settings"])


class Migration(migrations.Migration):
    dependencies = [
        ("alertsources", "0013_source_silence_within_bounds"),
    ]

    operations = [
        migrations.AddField(
            model_name="alertsource",
            name="flapping_times",
            field=models.PositiveSmallIntegerField(
                db_default=3,
                default=3,
                help_text="An alert that ends so many times is held open as one incident. "
                "0: never.",
                validators=[django.core.validators.MaxValueValidator(100, "100 is the most.")],
                verbose_name="hold as flapping after",
            ),
        ),
        migrations.AddField(
            model_name="alertsource",
            name="flapping_within",
            field=models.DurationField(
                db_default=timedelta(minutes=15),
                default=timedelta(minutes=15),
                help_text="How close together they have to be, as HH:MM:SS.",
                validators=BETWEEN,
                verbose_name="ends within",
            ),
        ),
        migrations.AddField(
            model_name="alertsource",
            name="flapping_quiet_for",
            field=models.DurationField(
                db_default=timedelta(minutes=10),
                default=timedelta(minutes=10),
                help_text="The incident is resolved when nothing of it fired for so long, "
                "as HH:MM:SS.",
                validators=BETWEEN,
                verbose_name="held until quiet for",
            ),
        ),
        migrations.RunPython(keep_off, keep_off_as_before),
    ]
