-- The schema behind sql-one-table.yaml (SQLite here; nothing in it is special to it): whatever can hold a right is a
-- principal, people and groups alike, told apart by a letter.
CREATE TABLE principal (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind     CHAR(1) NOT NULL CHECK (kind IN ('U', 'G', 'S')),     -- user, group, service account
    name     VARCHAR(60) NOT NULL,
    label    VARCHAR(80),
    prefs    TEXT,                                                 -- JSON, written by the application's pages
    locked   CHAR(14),                                             -- when it was locked, 20261102120000
    rev      INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT principal_name UNIQUE (kind, name)
);
CREATE TABLE holds (                                               -- a group holds users and other groups
    holder INTEGER NOT NULL REFERENCES principal (id),
    held   INTEGER NOT NULL REFERENCES principal (id),
    kind   CHAR(1) NOT NULL,                                       -- of what is held
    note   VARCHAR(20),
    PRIMARY KEY (holder, held)
);
INSERT INTO principal (kind, name, label, prefs, locked) VALUES
    ('U', 'ana', 'Ana Lima', '{ "pages": {"size": 50.0}, "mail": "ana@example.com", "beta": [1, 2] }', NULL),
    ('U', 'bo', 'Bo Ek', NULL, '20260102030405'),
    ('G', 'staff', 'All staff', NULL, NULL),
    ('G', 'ana', 'A group named like somebody', NULL, NULL),
    ('S', 'backup', 'Nightly backup', NULL, NULL);
INSERT INTO holds (holder, held, kind, note) VALUES (3, 1, 'U', 'by hand'), (3, 4, 'G', NULL), (3, 5, 'S', 'by hand');
