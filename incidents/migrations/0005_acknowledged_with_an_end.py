from datetime import timedelta

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0004_step_channels"),
    ]

    operations = [
        migrations.AddField(
            model_name="incident",
            name="ask_after",
            field=models.DurationField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="snoozed_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("ask_at__isnull", False)),
                fields=["ask_at"],
                name="incident_to_ask",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ask_after__isnull", True),
                        ("asked_at__isnull", True),
                        ("snoozed_until__isnull", True),
                    ),
                    ("ask_at__isnull", False),
                    _connector="OR",
                ),
                name="incident_asked_has_a_clock",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("asked_at__isnull", True), ("snoozed_until__isnull", True), _connector="OR"
                ),
                name="incident_snoozed_is_not_asked",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ask_after__isnull", True), ("ask_after__gt", timedelta(0)), _connector="OR"
                ),
                name="incident_ask_after_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "triggered"), _negated=True),
                    models.Q(("acknowledged_at__isnull", True), ("owner__isnull", True)),
                    _connector="OR",
                ),
                name="incident_triggered_has_no_owner",
            ),
        ),
    ]
