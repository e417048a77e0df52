from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0013_incident_list_indexes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("escalate_at__isnull", False)),
                fields=["state"],
                name="incident_ticking",
            ),
        ),
    ]
