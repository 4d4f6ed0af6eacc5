CREATE TABLE volumes (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation, for pages
  uid   TEXT NOT NULL UNIQUE,
  name  TEXT NOT NULL UNIQUE,
  stage INTEGER NOT NULL,                   -- store::VolumeStage
  body  BLOB NOT NULL                       -- vx.v1.Volume without its status
);
