"""A step may tell team channels too; a page is to a person or to one of them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0003_incident_raised_key'),
        ('notifications', '0010_updates'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='escalationstep',
            name='channels',
            field=models.ManyToManyField(blank=True, help_text='Rooms that are told. A room is nobody: if a step names people too and none of them can be paged, the next step follows at once.', related_name='steps', to='notifications.teamchannel'),
        ),
        migrations.AddField(
            model_name='page',
            name='team_channel',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pages', to='notifications.teamchannel'),
        ),
        migrations.AlterField(
            model_name='page',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pages', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='page',
            constraint=models.UniqueConstraint(fields=('incident', 'episode', 'round', 'step', 'team_channel'), name='page_once_per_step_and_channel'),
        ),
        migrations.AddConstraint(
            model_name='page',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('team_channel__isnull', True), ('user__isnull', False)), models.Q(('team_channel__isnull', False), ('user__isnull', True)), _connector='OR'), name='page_to_a_person_or_a_channel'),
        ),
    ]
