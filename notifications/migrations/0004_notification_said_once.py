from django.db import migrations, models


def forget_messages_to_channels(apps, schema_editor):
    """On the way back: what came before knows only messages to people."""
    apps.get_model('notifications', 'DeliveryEvent').objects.filter(notification__user=None).delete()
    apps.get_model('notifications', 'Notification').objects.filter(user=None).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0003_notification_team_channel'),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, forget_messages_to_channels),
        migrations.AddField(
            model_name='notification',
            name='void_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='notification',
            name='purpose',
            field=models.CharField(choices=[('page', 'page'), ('growth', 'growth'), ('ask_owner', 'ask the owner'), ('update', 'quiet update'), ('reminder', 'reminder'), ('handover', 'hand-over'), ('notice', 'notice'), ('test', 'test')], max_length=12),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('void_at__isnull', False)), fields=['purpose', 'void_at'], name='notification_said_once'),
        ),
    ]
