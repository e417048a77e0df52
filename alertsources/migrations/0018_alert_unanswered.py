from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alertsources", "0017_merged_from"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("answered_at__isnull", True), ("status", "firing")),
                fields=["incident"],
                name="alert_unanswered",
            ),
        ),
    ]
