from datetime import timedelta

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("schedules", "0010_team_discreet"),
    ]

    operations = [
        migrations.AddField(
            model_name="team",
            name="acknowledge_timeout",
            field=models.DurationField(
                blank=True,
                help_text="So long after acknowledging, whoever has an incident is asked whether it is still theirs. 5 minutes without an answer: paging starts anew. As HH:MM:SS; empty: they are not asked.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="team",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("acknowledge_timeout__isnull", True),
                    models.Q(
                        ("acknowledge_timeout__gte", timedelta(minutes=5)),
                        ("acknowledge_timeout__lte", timedelta(days=7)),
                    ),
                    _connector="OR",
                ),
                name="team_acknowledge_timeout_within_bounds",
                violation_error_message="Ask after 5 minutes at the least, 7 days at the most.",
            ),
        ),
    ]
