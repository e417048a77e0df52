import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import notifications.channels.base


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0001_initial'),
        ('schedules', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='TeamChannel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='How the history calls it: #ops, wall screen.', max_length=80)),
                ('channel', models.CharField(choices=notifications.channels.base.channel_choices, max_length=24)),
                ('address', models.CharField(help_text='An ntfy topic nobody can guess, or an e-mail address.', max_length=254)),
                ('is_on', models.BooleanField(default=True, help_text='Off: nothing is sent to it.', verbose_name='on')),
                ('wants_handovers', models.BooleanField(default=False, help_text='At each hand-over a note says who is on call from now on.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='channels', to='schedules.team')),
            ],
            options={
                'ordering': ['team__name', 'name', 'pk'],
                'constraints': [
                    models.UniqueConstraint(fields=('team', 'channel', 'address'), name='team_channel_once_per_team'),
                    models.CheckConstraint(condition=models.Q(('address', ''), _negated=True), name='team_channel_has_address'),
                ],
            },
        ),
    ]
