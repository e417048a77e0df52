"""Channels and addresses choose which updates they are told; webhooks are signed."""

from django.db import migrations, models


def claim(name, text, help_text):
    return migrations.AddField(
        model_name="teamchannel",
        name=name,
        field=models.BooleanField(text, db_default=False, default=False, help_text=help_text),
    )


class Migration(migrations.Migration):
    dependencies = [("notifications", "0009_longer_addresses")]

    operations = [
        migrations.AddField(
            model_name="contactmethod",
            name="wants_updates",
            field=models.BooleanField(
                blank=True,
                help_text="Who has it, and when it is resolved, of what this person was paged for.",
                null=True,
                verbose_name="quiet updates",
            ),
        ),
        claim("wants_opened", "opened", "An incident of the team has opened."),
        claim("wants_acknowledged", "acknowledged", "Somebody has it."),
        claim(
            "wants_escalated", "escalated", "Nobody has answered, and the next step is called."
        ),
        claim("wants_resolved", "resolved", "It is over, and after how long."),
        migrations.AddField(
            model_name="teamchannel",
            name="off_reason",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=200
            ),
        ),
        migrations.AddField(
            model_name="teamchannel",
            name="secret",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of a webhook: its messages are signed with it (Standard Webhooks). "
                "Empty: one is made. Two, with a blank between them, sign each message twice, to "
                "change from one to the other.",
                max_length=300,
                verbose_name="signing secret",
            ),
        ),
        migrations.AddField(
            model_name="teamchannel",
            name="template",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Of a webhook: the JSON its receiver wants, with ${title}, ${text}, "
                "${url}, ${number}, ${severity}, ${state} and others put in. Empty: all facts, as "
                "JSON.",
                max_length=4000,
                verbose_name="body",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("purpose", "update")),
                fields=["team_channel", "user", "created_at"],
                name="notification_updates",
            ),
        ),
    ]
