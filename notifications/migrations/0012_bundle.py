import django.db.models.deletion
from django.db import migrations, models

KINDS = [
    ("sent", "sent"),
    ("held", "held"),
    ("failed", "failed"),
    ("retry", "will be tried again"),
    ("refused", "refused, another provider is next"),
    ("delivered", "delivered"),
    ("silent", "no receipt"),
    ("lapsed", "outcome unknown"),
    ("pulled", "pulled forward"),
    ("waits", "waits: its address had enough"),
    ("cancelled", "cancelled"),
    ("again", "sent again by hand"),
]


class Migration(migrations.Migration):
    dependencies = [("notifications", "0011_inbound")]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="lead",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="members",
                to="notifications.notification",
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="goes_alone",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.CreateModel(
            name="Bundle",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("threads", models.JSONField()),
                ("created_at", models.DateTimeField()),
                (
                    "lead",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bundles",
                        to="notifications.notification",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                fields=["lead"],
                condition=models.Q(("lead__isnull", False)),
                name="notification_members",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["address", "settled_at"], name="notification_to_address"),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("lead__isnull", True),
                    models.Q(("lead", models.F("id")), _negated=True),
                    _connector="OR",
                ),
                name="notification_leads_others",
            ),
        ),
        migrations.AlterField(
            model_name="deliveryevent",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=12),
        ),
    ]
