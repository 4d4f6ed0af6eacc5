CREATE TABLE networks (
  seq  INTEGER PRIMARY KEY AUTOINCREMENT,
  uid  TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  body BLOB NOT NULL                          -- vx.v1.Network without its members
);

-- Who has which address, whether it runs or not: an address stays its workload's.
CREATE TABLE members (
  network_uid  TEXT NOT NULL REFERENCES networks (uid) ON DELETE CASCADE,
  workload_uid TEXT NOT NULL,
  mac          TEXT NOT NULL,
  v4           TEXT NOT NULL,                 -- empty: none
  v6           TEXT NOT NULL,
  PRIMARY KEY (network_uid, workload_uid)
) WITHOUT ROWID;
CREATE INDEX members_by_workload ON members (workload_uid);
CREATE UNIQUE INDEX members_by_mac ON members (network_uid, mac);
CREATE UNIQUE INDEX members_by_v4 ON members (network_uid, v4) WHERE v4 <> '';
CREATE UNIQUE INDEX members_by_v6 ON members (network_uid, v6) WHERE v6 <> '';
