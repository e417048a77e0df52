from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("notifications", "0010_updates"),
    ]

    operations = [
        migrations.CreateModel(
            name="InboundMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=24)),
                ("provider_id", models.CharField(max_length=200)),
                ("channel", models.CharField(max_length=24)),
                ("address", models.CharField(max_length=40)),
                ("text", models.CharField(blank=True, max_length=500)),
                ("act", models.CharField(max_length=12)),
                ("said_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("outcome", models.CharField(blank=True, max_length=1000)),
                ("is_answered", models.BooleanField(default=False)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        fields=["channel", "address", "received_at"], name="inbound_of_address"
                    ),
                    models.Index(fields=["received_at"], name="inbound_received"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "provider_id"), name="inbound_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("provider_id", ""), _negated=True),
                        name="inbound_has_a_name",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Inbox",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=24, unique=True)),
                ("cursor", models.CharField(blank=True, max_length=200)),
                ("next_at", models.DateTimeField()),
                ("asked_at", models.DateTimeField(null=True)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=500)),
            ],
            options={"verbose_name_plural": "inboxes"},
        ),
    ]
