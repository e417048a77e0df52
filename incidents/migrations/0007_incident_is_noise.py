from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0006_incident_merged_into"),
    ]

    operations = [
        migrations.AddField(
            model_name="incident",
            name="is_noise",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Somebody said that it need not have paged anybody. Figures count it apart.",
                verbose_name="noise",
            ),
        ),
    ]
