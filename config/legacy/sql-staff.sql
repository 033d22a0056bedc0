-- The schema behind sql-staff.yaml (PostgreSQL): a staff file that was moved from a spreadsheet, column by column. What it
-- calls a department or a shift is a word in a column; programs read the view, and write the file.
CREATE SCHEMA staff;
CREATE SEQUENCE staff.person_no START WITH 100;
CREATE TABLE staff.site (code CHAR(3) PRIMARY KEY, town VARCHAR(40) NOT NULL UNIQUE);
CREATE TABLE staff."Person File" (
    no          INTEGER      NOT NULL PRIMARY KEY,
    login       VARCHAR(40)  NOT NULL,
    login_uc    VARCHAR(40)  NOT NULL,                  -- the same in capitals, for an index old databases can use
    "Full Name" VARCHAR(80),
    dept        VARCHAR(30),
    shift       VARCHAR(10),
    site        CHAR(3)      REFERENCES staff.site (code),
    boss        INTEGER      REFERENCES staff."Person File" (no),
    certificate BYTEA,
    skills      TEXT[]       NOT NULL DEFAULT '{}',
    gone        BOOLEAN      NOT NULL DEFAULT FALSE,
    entered_by  VARCHAR(20)  NOT NULL,
    CONSTRAINT person_login UNIQUE (login)
);
CREATE INDEX person_login_uc ON staff."Person File" (login_uc);
CREATE VIEW staff.present AS
    SELECT no, login, login_uc, "Full Name", dept, shift, site, boss, certificate, skills FROM staff."Person File" WHERE NOT gone;
CREATE TABLE staff.lock (
    person INTEGER     NOT NULL REFERENCES staff."Person File" (no),
    reason VARCHAR(10) NOT NULL,
    since  DATE        NOT NULL DEFAULT CURRENT_DATE,
    PRIMARY KEY (person, reason)
);
CREATE TABLE staff.key_card (card INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES staff."Person File" (no));

INSERT INTO staff.site VALUES ('OSL', 'Oslo'), ('LIS', 'Lisbon');
INSERT INTO staff."Person File" (no, login, login_uc, "Full Name", dept, shift, site, boss, skills, entered_by) VALUES
    (1, 'Vera', 'VERA', 'Vera Moe', 'Board', NULL, 'OSL', NULL, '{}', 'sheet'),
    (2, 'ivo', 'IVO', 'Ivo Dias', 'Sales', 'Day', 'LIS', 1, '{forklift,"first aid"}', 'sheet'),
    (3, 'una', 'UNA', 'Una Berg', 'Sales', 'Night', NULL, 2, '{}', 'sheet');
INSERT INTO staff."Person File" (no, login, login_uc, dept, gone, entered_by) VALUES (4, 'old', 'OLD', 'Archive', TRUE, 'sheet');
INSERT INTO staff.lock (person, reason) VALUES (3, 'SCIM'), (2, 'AUDIT');
INSERT INTO staff.key_card VALUES (7, 2);
