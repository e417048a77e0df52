from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0007_incident_is_noise"),
    ]

    operations = [
        migrations.AddField(
            model_name="page",
            name="answered_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="timelineentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("opened", "opened"),
                    ("alert", "alert"),
                    ("paged", "paged"),
                    ("not_paged", "not paged"),
                    ("delivery", "delivery"),
                    ("acknowledged", "acknowledged"),
                    ("resolved", "resolved"),
                    ("reopened", "reopened"),
                    ("escalated", "escalated"),
                    ("severity", "severity"),
                    ("snoozed", "snoozed"),
                    ("asked", "owner asked"),
                    ("released", "given back"),
                    ("reassigned", "reassigned"),
                    ("merged", "merged"),
                    ("split", "split off"),
                    ("noise", "noise"),
                    ("note", "note"),
                    ("trouble", "trouble"),
                ],
                max_length=12,
            ),
        ),
    ]
