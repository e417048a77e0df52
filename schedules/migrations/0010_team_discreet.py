"""A team whose messages do not say what is wrong."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0009_user_quiet_hours'),
    ]

    operations = [
        migrations.AddField(
            model_name='team',
            name='is_discreet',
            field=models.BooleanField(db_default=False, default=False, help_text='Messages say only the number and how bad it is; what it is, behind the link.', verbose_name='discreet'),
        ),
    ]
