"""A step may be for one urgency only, and for team hours or the time outside them only."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0008_page_answered_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='escalationstep',
            name='only_urgency',
            field=models.CharField(blank=True, choices=[('high', 'only high'), ('low', 'only low')], db_default='', default='', help_text='Another urgency passes the step over, at once.', max_length=4, verbose_name='urgency'),
        ),
        migrations.AddField(
            model_name='escalationstep',
            name='only_hours',
            field=models.CharField(blank=True, choices=[('in', 'only in team hours'), ('outside', 'only outside team hours')], db_default='', default='', help_text='At other times the step is passed over, at once.', max_length=7, verbose_name='hours'),
        ),
        migrations.AlterField(
            model_name='escalationstep',
            name='position',
            field=models.PositiveSmallIntegerField(default=0, help_text='The lowest number comes first.', verbose_name='order'),
        ),
        migrations.AddConstraint(
            model_name='escalationstep',
            constraint=models.CheckConstraint(condition=models.Q(('only_urgency__in', ['', 'high', 'low']), ('only_hours__in', ['', 'in', 'outside'])), name='step_conditions_known'),
        ),
    ]
