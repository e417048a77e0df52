"""A rotation may have somebody on call in some hours of the week only."""

import datetime

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0002_rotation_hours_months_end'),
    ]

    operations = [
        migrations.CreateModel(
            name='RotationWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('days', models.CharField(help_text='The days on which it opens: digits, 0 is Monday.', max_length=7, validators=[django.core.validators.RegexValidator('^[0-6]+$', 'Choose at least one day.')])),
                ('starts', models.TimeField(default=datetime.time(9, 0), help_text="In the rotation's time zone.")),
                ('ends', models.TimeField(default=datetime.time(17, 0), help_text='Not after the start: it ends on the next day.')),
                ('rotation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='windows', to='schedules.rotation')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('days', ''), _negated=True), name='window_on_some_day')],
            },
        ),
    ]
