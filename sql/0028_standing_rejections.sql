-- Whether the newest whole plan held something back because of a rejection.

ALTER TABLE rejected_changes ADD COLUMN stands boolean NOT NULL DEFAULT true;
