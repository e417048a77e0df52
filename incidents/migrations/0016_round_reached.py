from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0015_incident_held_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="round",
            name="reached",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
