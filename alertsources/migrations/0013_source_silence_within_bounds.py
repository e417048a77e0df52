"""What a silence that is warned of may last: what lies outside is brought to the nearest bound."""

from datetime import timedelta
from typing import Any

import django.core.validators
from django.db import migrations, models

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=90)


def bring_within(apps: Any, schema_editor: Any) -> None:
    sources = apps.get_model("alertsources", "AlertSource").objects
    sources.filter(warn_if_silent_for__lt=SHORTEST).update(warn_if_silent_for=SHORTEST)
    sources.filter(warn_if_silent_for__gt=LONGEST).update(warn_if_silent_for=LONGEST)


class Migration(migrations.Migration):
    dependencies = [
        ("alertsources", "0012_refusal"),
    ]

    operations = [
        migrations.RunPython(bring_within, migrations.RunPython.noop, elidable=True),
        migrations.AlterField(
            model_name="alertsource",
            name="warn_if_silent_for",
            field=models.DurationField(
                blank=True,
                help_text="Tells the leads, once, for senders that report all the time. "
                "As DD HH:MM:SS, 5 minutes to 90 days. Empty: never.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(SHORTEST, "5 minutes is the least."),
                    django.core.validators.MaxValueValidator(LONGEST, "90 days is the most."),
                ],
                verbose_name="warn if nothing came for",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertsource",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("warn_if_silent_for__isnull", True),
                    models.Q(
                        ("warn_if_silent_for__gte", SHORTEST), ("warn_if_silent_for__lte", LONGEST)
                    ),
                    _connector="OR",
                ),
                name="source_silence_within_bounds",
            ),
        ),
    ]
