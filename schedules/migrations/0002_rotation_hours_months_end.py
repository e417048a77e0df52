"""Turns may also last hours or months, and a rotation may end."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0001_initial'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='rotation',
            name='rotation_unit_known',
        ),
        migrations.AlterField(
            model_name='rotation',
            name='unit',
            field=models.CharField(choices=[('hours', 'hours'), ('days', 'days'), ('weeks', 'weeks'), ('months', 'months')], default='weeks', max_length=6),
        ),
        migrations.AddConstraint(
            model_name='rotation',
            constraint=models.CheckConstraint(condition=models.Q(('unit__in', ['hours', 'days', 'weeks', 'months'])), name='rotation_unit_known'),
        ),
        migrations.AddField(
            model_name='rotation',
            name='ends_on',
            field=models.DateField(blank=True, help_text='From the hand-over time of this day on nobody is on call. Empty: no end.', null=True),
        ),
    ]
