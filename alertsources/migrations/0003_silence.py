"""What matches a silence pages nobody, from, until."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import schedules.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0002_source_settings'),
        ('schedules', '0008_user_reminders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Silence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('severities', models.JSONField(blank=True, default=list)),
                ('labels', models.JSONField(blank=True, default=list)),
                ('title', models.CharField(blank=True, help_text="Part of the alert's title, in any case.", max_length=200)),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
                ('days', models.CharField(blank=True, max_length=7, validators=[django.core.validators.RegexValidator('^[0-6]*$', 'Days are digits from 0, Monday, to 6.')])),
                ('opens', models.TimeField(blank=True, null=True)),
                ('closes', models.TimeField(blank=True, null=True)),
                ('zone', models.CharField(default='UTC', max_length=64, validators=[schedules.models.validate_zone])),
                ('reason', models.CharField(max_length=300)),
                ('created_label', models.CharField(blank=True, max_length=120)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_label', models.CharField(blank=True, max_length=120)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('source', models.ForeignKey(blank=True, help_text='Empty: every source.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='silences', to='alertsources.alertsource')),
                ('team', models.ForeignKey(blank=True, help_text='Empty: every team.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='silences', to='schedules.team')),
            ],
            options={
                'ordering': ['-starts_at', '-pk'],
                'indexes': [models.Index(condition=models.Q(('ended_at__isnull', True)), fields=['ends_at'], name='silence_standing')],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__isnull', True), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='silence_ends_after_its_start'), models.CheckConstraint(condition=models.Q(models.Q(('closes__isnull', True), ('days', ''), ('opens__isnull', True)), models.Q(models.Q(('days', ''), _negated=True), ('closes__isnull', False), ('opens__isnull', False)), _connector='OR'), name='silence_weekly_has_hours'), models.CheckConstraint(condition=models.Q(('ends_at__isnull', False), models.Q(('days', ''), _negated=True), _connector='OR'), name='silence_without_end_is_weekly')],
            },
        ),
    ]
