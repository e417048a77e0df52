from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0012_fill_search_text"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["opened_at"], name="incident_opened"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at__isnull", False)),
                fields=["resolved_at"],
                name="incident_closed",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["team", "source_label"], name="incident_sources"),
        ),
    ]
