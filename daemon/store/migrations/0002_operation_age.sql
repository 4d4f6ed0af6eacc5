-- When it ended, in seconds since 1970; 0 while it has not: what is old is removed.
ALTER TABLE operations ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
CREATE INDEX operations_by_end ON operations (ended);
