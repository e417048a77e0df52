"""A person's hours in which pages of low urgency wait."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0008_user_reminders'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='quiet_from',
            field=models.TimeField(blank=True, help_text="Pages of low urgency wait from then on, by this person's own clock.", null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='quiet_until',
            field=models.TimeField(blank=True, help_text='They come then. Before the start: on the next day.', null=True),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('quiet_from__isnull', True), ('quiet_until__isnull', True)), models.Q(('quiet_from__isnull', False), ('quiet_until__isnull', False), models.Q(('quiet_from', models.F('quiet_until')), _negated=True)), _connector='OR'), name='user_quiet_from_and_until'),
        ),
    ]
