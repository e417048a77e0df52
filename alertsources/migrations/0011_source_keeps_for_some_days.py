"""Raw messages are kept for a day at least, and not for ever."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0010_payload_is_test'),
    ]

    operations = [
        migrations.AlterField(
            model_name='alertsource',
            name='keep_days',
            field=models.PositiveSmallIntegerField(db_default=14, default=14, help_text='Older ones are deleted; alerts and incidents stay.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='keep raw messages for days'),
        ),
        migrations.AddConstraint(
            model_name='alertsource',
            constraint=models.CheckConstraint(condition=models.Q(('keep_days__gte', 1), ('keep_days__lte', 3650)), name='source_keeps_for_some_days'),
        ),
    ]
