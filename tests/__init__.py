"""The suite: `scheduler_app`, `datasync_app` and `stocksync` mirror the product.

    acceptance         the real processes, with real signals
    browser            the admin in Chromium
    bench              `make bench`
    messages           `make messages`
    testjobs           jobs for schedulers under test
    warm               processes that need not import the libraries again
    private_postgres   the suite's own server, and surroundings that no test can hurt
    clean_tables       brings back what a test has committed over
    every_page         each page of the admin, with rows on it

What takes long is marked `soak` and run by `make soak`: there each fault comes a thousand times and axe
looks at every page of the admin, of which `make test` shows it one of each kind.
"""
