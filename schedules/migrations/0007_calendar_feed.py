"""Calendars can be read at secret links."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0006_schedule_change'),
    ]

    operations = [
        migrations.CreateModel(
            name='CalendarFeed',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, help_text='A new link raises it.')),
                ('rotation', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calendar_feed', to='schedules.rotation')),
                ('team', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calendar_feed', to='schedules.team')),
                ('user', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calendar_feed', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('rotation', None), ('team', None), ('user__isnull', False)), models.Q(('rotation', None), ('team__isnull', False), ('user', None)), models.Q(('rotation__isnull', False), ('team', None), ('user', None)), _connector='OR'), name='feed_of_exactly_one')],
            },
        ),
    ]
