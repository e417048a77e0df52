"""Rules of a source decide what becomes of its alerts."""

import datetime
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0004_alert_look_at'),
        ('incidents', '0002_round'),
        ('schedules', '0008_user_reminders'),
    ]

    operations = [
        migrations.CreateModel(
            name='RoutingRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('is_active', models.BooleanField(default=True)),
                ('labels', models.JSONField(blank=True, default=list)),
                ('title', models.CharField(blank=True, help_text='A regular expression, in any case.', max_length=200, verbose_name='title matches')),
                ('severities', models.JSONField(blank=True, default=list)),
                ('days', models.CharField(blank=True, max_length=7, validators=[django.core.validators.RegexValidator('^[0-6]*$', 'Days are digits from 0, Monday, to 6.')])),
                ('opens', models.TimeField(blank=True, null=True)),
                ('closes', models.TimeField(blank=True, null=True)),
                ('then', models.CharField(choices=[('page', 'page'), ('record', 'record only'), ('drop', 'drop')], default='page', max_length=6)),
                ('severity', models.CharField(blank=True, choices=[('critical', 'critical'), ('high', 'high'), ('warning', 'warning'), ('info', 'info')], max_length=8)),
                ('wait_for', models.DurationField(blank=True, null=True, verbose_name='page only if still firing after')),
                ('policy', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='incidents.escalationpolicy')),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rules', to='alertsources.alertsource')),
                ('team', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='schedules.team')),
            ],
            options={
                'ordering': ['position', 'pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('then__in', ['page', 'record', 'drop'])), name='rule_then_known'), models.CheckConstraint(condition=models.Q(models.Q(('closes__isnull', True), ('opens__isnull', True)), models.Q(('closes__isnull', False), ('opens__isnull', False)), _connector='OR'), name='rule_hours_have_both_ends'), models.CheckConstraint(condition=models.Q(('wait_for__isnull', True), ('wait_for__gte', datetime.timedelta(0)), _connector='OR'), name='rule_wait_not_negative')],
            },
        ),
    ]
