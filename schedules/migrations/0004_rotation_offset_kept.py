"""Editing a rotation leaves the person now on call their turn."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0003_rotation_window'),
    ]

    operations = [
        migrations.AddField(
            model_name='rotation',
            name='offset',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='rotation',
            name='kept_user',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='rotation',
            name='kept_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name='rotation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kept_until', None), ('kept_user', None)), models.Q(('kept_until__isnull', False), ('kept_user__isnull', False)), _connector='OR'), name='rotation_keeps_somebody_until'),
        ),
    ]
