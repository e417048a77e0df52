from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0002_round"),
    ]

    operations = [
        migrations.AddField(
            model_name="incident",
            name="raised_key",
            field=models.CharField(editable=False, max_length=64, null=True, unique=True),
        ),
    ]
