from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alertsources", "0016_alert_resolve_after"),
        ("incidents", "0008_page_answered_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="merged_from",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=models.deletion.PROTECT,
                related_name="+",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="opengroup",
            name="merged_from",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=models.deletion.CASCADE,
                related_name="+",
                to="incidents.incident",
            ),
        ),
    ]
