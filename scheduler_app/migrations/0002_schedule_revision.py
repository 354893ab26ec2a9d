"""What no writer can forget: the revision, the wake-up call, and since when a row fires so.

A row trigger bumps `scheduler_revision` when a scheduling column really changes and notifies the
channel `stocksync_schedule`; a queued execution notifies it too. The functions carry the search
path of this connection, so that a writer with another one (psql, a GUI) is served as well.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
INSERT INTO scheduler_revision (id, value) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE FUNCTION scheduler_bump_revision() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scheduler_revision (id, value) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET value = scheduler_revision.value + 1;
    PERFORM pg_notify('stocksync_schedule', 'revision');
    RETURN NULL;
END
$$;

CREATE TRIGGER job_config_inserted_or_deleted AFTER INSERT OR DELETE ON scheduler_job_config
    FOR EACH ROW EXECUTE FUNCTION scheduler_bump_revision();

CREATE TRIGGER job_config_truncated AFTER TRUNCATE ON scheduler_job_config
    FOR EACH STATEMENT EXECUTE FUNCTION scheduler_bump_revision();

CREATE TRIGGER job_config_changed AFTER UPDATE ON scheduler_job_config
    FOR EACH ROW WHEN (
        (OLD.job_id, OLD.trigger, OLD.cron_expression, OLD.interval_seconds, OLD.timezone,
         OLD.enabled, OLD.job_kwargs)
        IS DISTINCT FROM
        (NEW.job_id, NEW.trigger, NEW.cron_expression, NEW.interval_seconds, NEW.timezone,
         NEW.enabled, NEW.job_kwargs)
    )
    EXECUTE FUNCTION scheduler_bump_revision();

CREATE FUNCTION scheduler_note_schedule_since() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    NEW.schedule_since := statement_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER job_config_begins BEFORE INSERT ON scheduler_job_config
    FOR EACH ROW WHEN (NEW.schedule_since IS NULL)
    EXECUTE FUNCTION scheduler_note_schedule_since();

CREATE TRIGGER job_config_begins_anew BEFORE UPDATE ON scheduler_job_config
    FOR EACH ROW WHEN (
        (OLD.job_id, OLD.trigger, OLD.cron_expression, OLD.interval_seconds, OLD.timezone,
         OLD.enabled)
        IS DISTINCT FROM
        (NEW.job_id, NEW.trigger, NEW.cron_expression, NEW.interval_seconds, NEW.timezone,
         NEW.enabled)
    )
    EXECUTE FUNCTION scheduler_note_schedule_since();

CREATE FUNCTION scheduler_notify_queued() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify('stocksync_schedule', 'queued');
    RETURN NULL;
END
$$;

CREATE TRIGGER execution_queued AFTER INSERT OR UPDATE OF status ON scheduler_execution_log
    FOR EACH ROW WHEN (NEW.status = 'QUEUED') EXECUTE FUNCTION scheduler_notify_queued();
"""

BACKWARD = """
DROP TRIGGER execution_queued ON scheduler_execution_log;
DROP TRIGGER job_config_begins_anew ON scheduler_job_config;
DROP TRIGGER job_config_begins ON scheduler_job_config;
DROP TRIGGER job_config_changed ON scheduler_job_config;
DROP TRIGGER job_config_truncated ON scheduler_job_config;
DROP TRIGGER job_config_inserted_or_deleted ON scheduler_job_config;
DROP FUNCTION scheduler_notify_queued();
DROP FUNCTION scheduler_note_schedule_since();
DROP FUNCTION scheduler_bump_revision();
"""


class Migration(migrations.Migration):
    dependencies = [("scheduler_app", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
