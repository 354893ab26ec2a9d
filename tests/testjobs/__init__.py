"""An app of jobs that exist for tests alone; `tests.settings_with_jobs` installs it."""
