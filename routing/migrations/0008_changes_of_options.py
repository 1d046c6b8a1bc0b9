from django.db import migrations, models


def name_known_changes(apps, _schema_editor):
    beliefs = apps.get_model("routing", "LiveBelief").objects.filter(has_changed=True)
    beliefs.update(changed_at=models.F("since"))


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0007_forecast_caveats'),
    ]

    operations = [
        migrations.AddField(
            model_name='judgedpair',
            name='answered_at',
            field=models.DateTimeField(blank=True, help_text='Of a live answer; else empty.', null=True),
        ),
        migrations.AddField(
            model_name='livebelief',
            name='changed_at',
            field=models.DateTimeField(blank=True, help_text='Its last change seen; outlasts the window.', null=True),
        ),
        migrations.RunPython(name_known_changes, migrations.RunPython.noop),
    ]
