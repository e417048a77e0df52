from datetime import timedelta

from django.db import migrations, models

A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(days=1)


class Migration(migrations.Migration):
    dependencies = [
        ("alertsources", "0014_source_flapping"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="alertsource",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("flapping_times__lte", 100),
                    ("flapping_within__gte", A_MINUTE),
                    ("flapping_within__lte", A_DAY),
                    ("flapping_quiet_for__gte", A_MINUTE),
                    ("flapping_quiet_for__lte", A_DAY),
                ),
                name="source_flapping_within_bounds",
            ),
        ),
    ]
