"""Each person says how early they are reminded of a shift."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0007_calendar_feed'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='remind_hours',
            field=models.PositiveSmallIntegerField(default=24, help_text='How many hours before each of their shifts to remind them; 0: never.', validators=[django.core.validators.MaxValueValidator(168)]),
        ),
        migrations.AddField(
            model_name='user',
            name='wants_handover_note',
            field=models.BooleanField(default=True, help_text='Told at the hand-over itself, with what is open in the team.'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('remind_hours__lte', 168)), name='user_reminded_within_a_week'),
        ),
    ]
