from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alertsources", "0015_source_flapping_within_bounds"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="resolve_after",
            field=models.DurationField(null=True),
        ),
    ]
