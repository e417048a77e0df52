"""An address that its person removed is kept for the history; how each fares is asked often."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0005_contact_method_verified'),
    ]

    operations = [
        migrations.AddField(
            model_name='contactmethod',
            name='removed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['contact_method', '-id'], name='notification_of_method'),
        ),
        migrations.AddConstraint(
            model_name='contactmethod',
            constraint=models.CheckConstraint(condition=models.Q(('removed_at__isnull', True), ('is_on', False), _connector='OR'), name='contact_method_removed_is_off'),
        ),
    ]
