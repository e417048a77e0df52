from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0016_round_reached"),
    ]

    operations = [
        migrations.AddField(
            model_name="incident",
            name="owner_label",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
    ]
