-- Messages of proto/vx/v1 are kept as bytes in `body`; the columns beside them
-- are what queries need.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE workloads (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation, for pages
  uid     TEXT NOT NULL UNIQUE,
  name    TEXT NOT NULL UNIQUE,
  kind    INTEGER NOT NULL,
  state   INTEGER NOT NULL,
  desired INTEGER NOT NULL,
  image   TEXT NOT NULL,
  body    BLOB NOT NULL                       -- vx.v1.Workload
);
CREATE INDEX workloads_by_image ON workloads (image);

CREATE TABLE operations (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  workload_uid TEXT NOT NULL,
  state        INTEGER NOT NULL,
  body         BLOB NOT NULL                  -- vx.v1.Operation
);
CREATE INDEX operations_by_workload ON operations (workload_uid);
CREATE INDEX operations_by_state ON operations (state);

-- The idempotency window: as long as the operation is remembered.
CREATE TABLE requests (
  request_id   TEXT PRIMARY KEY,
  fingerprint  TEXT NOT NULL,
  operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX requests_by_operation ON requests (operation_id);

CREATE TABLE events (
  revision     INTEGER PRIMARY KEY AUTOINCREMENT,
  workload_uid TEXT NOT NULL,
  body         BLOB NOT NULL                  -- vx.v1.Event without its revision
);
