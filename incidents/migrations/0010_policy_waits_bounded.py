"""No wait of a policy is longer than a week; what was longer is a week now."""

import datetime

from django.db import migrations, models

WEEK = datetime.timedelta(days=7)


def shorten(apps, schema_editor):
    apps.get_model("incidents", "EscalationStep").objects.filter(delay__gt=WEEK).update(delay=WEEK)
    policies = apps.get_model("incidents", "EscalationPolicy").objects
    policies.filter(repeat_after__gt=WEEK).update(repeat_after=WEEK)


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0009_step_conditions'),
    ]

    operations = [
        migrations.RunPython(shorten, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='escalationpolicy',
            name='repeat_after',
            field=models.DurationField(default=datetime.timedelta(seconds=900), help_text='Least time from one pass to the next, as HH:MM:SS. Low urgency: four times as long, and in team hours only.'),
        ),
        migrations.AlterField(
            model_name='escalationpolicy',
            name='repeats',
            field=models.PositiveSmallIntegerField(default=1, help_text='How many more times to go through the steps if nobody answers, at most 20. After that the whole team is paged, again and again.'),
        ),
        migrations.AddConstraint(
            model_name='escalationpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('repeat_after__lte', WEEK)), name='policy_repeat_after_at_most_a_week'),
        ),
        migrations.AddConstraint(
            model_name='escalationstep',
            constraint=models.CheckConstraint(condition=models.Q(('delay__lte', WEEK)), name='step_delay_at_most_a_week'),
        ),
    ]
