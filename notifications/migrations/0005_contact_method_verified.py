"""A person shows by a code that what is sent to an address arrives."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0004_notification_said_once'),
    ]

    operations = [
        migrations.AddField(
            model_name='contactmethod',
            name='code_expires_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='contactmethod',
            name='code_hash',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='contactmethod',
            name='code_tries',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='contactmethod',
            name='verified_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='notification',
            name='purpose',
            field=models.CharField(choices=[('page', 'page'), ('growth', 'growth'), ('ask_owner', 'ask the owner'), ('update', 'quiet update'), ('reminder', 'reminder'), ('handover', 'hand-over'), ('notice', 'notice'), ('test', 'test'), ('verify', 'code')], max_length=12),
        ),
        migrations.AddConstraint(
            model_name='contactmethod',
            constraint=models.CheckConstraint(condition=models.Q(('code_hash', ''), ('code_expires_at__isnull', False), _connector='OR'), name='contact_method_code_expires'),
        ),
        migrations.AddConstraint(
            model_name='contactmethod',
            constraint=models.CheckConstraint(condition=models.Q(('code_tries__lte', 5)), name='contact_method_at_most_5_tries'),
        ),
    ]
