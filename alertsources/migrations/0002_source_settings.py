"""Sources know whom a test pages, how long to wait, when to give up, and how much is too much."""

import datetime
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0001_initial'),
        ('incidents', '0002_round'),
        ('schedules', '0008_user_reminders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='alertsource',
            name='auto_resolve_after',
            field=models.DurationField(blank=True, help_text='For senders that never say it is over, as HH:MM:SS. Empty: never.', null=True, verbose_name='resolve when not repeated for'),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='keep_days',
            field=models.PositiveSmallIntegerField(db_default=14, default=14, verbose_name='keep raw messages for days'),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='limit_per_minute',
            field=models.PositiveIntegerField(db_default=30000, default=30000, help_text='What comes beyond it is refused and told to the team. 0: no limit.', verbose_name='messages per minute'),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='settings',
            field=models.JSONField(blank=True, db_default=models.Value({}, output_field=models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='signing_secret',
            field=models.TextField(blank=True, db_default='', default='', help_text='What the sender signs its messages with. Empty: signatures are not looked at.'),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='test_person',
            field=models.ForeignKey(blank=True, help_text="Paged by the sender's own test button. Empty: a test is only recorded.", null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='topic_arn',
            field=models.CharField(blank=True, db_default='', default='', help_text='The SNS topic that was confirmed first; messages of others are refused.', max_length=256),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='wait_for',
            field=models.DurationField(blank=True, help_text='As HH:MM:SS. Empty: at once.', null=True, verbose_name='page only if still firing after'),
        ),
        migrations.AddField(
            model_name='alertsource',
            name='warn_if_silent_for',
            field=models.DurationField(blank=True, help_text='As HH:MM:SS. Empty: never.', null=True, verbose_name='warn if nothing came for'),
        ),
        migrations.AddConstraint(
            model_name='alertsource',
            constraint=models.CheckConstraint(condition=models.Q(('wait_for__isnull', True), ('wait_for__gte', datetime.timedelta(0)), _connector='OR'), name='source_wait_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='alertsource',
            constraint=models.CheckConstraint(condition=models.Q(('auto_resolve_after__isnull', True), ('auto_resolve_after__gte', datetime.timedelta(seconds=60)), _connector='OR'), name='source_auto_resolve_at_least_a_minute'),
        ),
    ]
