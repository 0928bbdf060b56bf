-- Who holds which advisory lock (platform/locks.py). Only information: the lock itself belongs to a session.
CREATE TABLE locks (
    name text PRIMARY KEY,
    holder text NOT NULL,
    since timestamptz NOT NULL
);
