-- The schema behind sql-portal.yaml (MariaDB): a portal in PHP, ten years old, whose pages were its only writers so far.
CREATE TABLE portal_user (
    uid      INTEGER      NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name     VARCHAR(40)  NOT NULL,                     -- the login; the pages look before they insert
    first    VARCHAR(40),
    last     VARCHAR(40)  NOT NULL,
    shown    VARCHAR(90)  NOT NULL,                     -- what lists are sorted by: "Lima, Ana"
    pass     VARCHAR(200) NOT NULL,
    roles    VARCHAR(60),                               -- editor,press
    profile  TEXT,                                      -- a map, by PHP's serialize
    since    INTEGER      NOT NULL,                     -- seconds since 1970
    changed  DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),    -- local time
    KEY user_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE portal_group (gid INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, title VARCHAR(40) NOT NULL) ENGINE=InnoDB;
CREATE TABLE portal_group_user (gid INTEGER NOT NULL, uid INTEGER NOT NULL, KEY group_user (gid, uid)) ENGINE=InnoDB;

INSERT INTO portal_user (name, first, last, shown, pass, roles, profile, since, changed) VALUES
    ('ana', 'Ana', 'Lima', 'Lima, Ana', '$S$Dabc', 'press,editor',
     'a:3:{s:7:"contact";a:2:{s:3:"tel";s:5:"+47 1";s:3:"fax";s:5:"+47 2";}s:4:"lang";s:2:"pt";s:4:"seen";d:0.10000000000000001;}',
     1262304000, '2026-07-01 12:00:00'),
    ('bo', 'Bo', 'Ek', 'Ek, Bo', '$S$Dxyz', NULL, NULL, 1293840000, '2026-01-15 08:30:00');
INSERT INTO portal_group (title) VALUES ('Everybody'), ('Banned'), ('Press');
INSERT INTO portal_group_user VALUES (1, 1), (1, 2), (2, 2), (3, 1);
