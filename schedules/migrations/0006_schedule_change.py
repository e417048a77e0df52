"""Every change of who is on call when is counted and told in the history."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0005_shift_record'),
    ]

    operations = [
        migrations.AddField(
            model_name='rotation',
            name='revision',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.CreateModel(
            name='ScheduleChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('text', models.TextField()),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('rotation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='changes', to='schedules.rotation')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='schedule_changes', to='schedules.team')),
            ],
            options={
                'ordering': ['-at', '-pk'],
                'indexes': [models.Index(fields=['team', '-at'], name='schedules_s_team_id_ed9658_idx')],
            },
        ),
    ]
