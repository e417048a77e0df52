"""The addresses of webhooks are long; some kinds are for people only, some for teams only."""

from django.db import migrations, models

import notifications.channels.base


class Migration(migrations.Migration):
    dependencies = [("notifications", "0008_notification_receipts")]

    operations = [
        migrations.AlterField(
            model_name="contactmethod",
            name="address",
            field=models.CharField(
                help_text="An ntfy topic nobody can guess, or an e-mail address.", max_length=1000
            ),
        ),
        migrations.AlterField(
            model_name="contactmethod",
            name="channel",
            field=models.CharField(
                choices=notifications.channels.base.person_channel_choices, max_length=24
            ),
        ),
        migrations.AlterField(
            model_name="notification",
            name="address",
            field=models.CharField(max_length=1000),
        ),
        migrations.AlterField(
            model_name="teamchannel",
            name="address",
            field=models.CharField(
                help_text="An ntfy topic nobody can guess, an e-mail address, or the URL of a "
                "webhook: Slack, Mattermost and Discord make one for each room. Whoever has it can "
                "write there.",
                max_length=1000,
            ),
        ),
        migrations.AlterField(
            model_name="teamchannel",
            name="channel",
            field=models.CharField(
                choices=notifications.channels.base.team_channel_choices, max_length=24
            ),
        ),
    ]
