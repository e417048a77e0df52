from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0014_incident_ticking"),
    ]

    operations = [
        migrations.AddField(
            model_name="incident",
            name="held_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
