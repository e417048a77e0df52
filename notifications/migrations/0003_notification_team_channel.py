import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0002_team_channel'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='team_channel',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='notifications', to='notifications.teamchannel'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='notifications', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('team_channel__isnull', True), ('user__isnull', False)), models.Q(('team_channel__isnull', False), ('user__isnull', True)), _connector='OR'), name='notification_to_a_person_or_a_channel'),
        ),
    ]
