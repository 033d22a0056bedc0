-- The schema behind sql-hr.yaml (PostgreSQL): a group of companies in one HR database. Everybody is known by company and
-- number; people and units are made, switched and removed by procedures only, which write the journal auditors read.
CREATE SCHEMA hr;

CREATE TABLE hr.company (code CHAR(3) PRIMARY KEY, name VARCHAR(60) NOT NULL UNIQUE, last_no INTEGER NOT NULL);

CREATE TABLE hr.person (
    company    CHAR(3)     NOT NULL REFERENCES hr.company (code),
    emp_no     INTEGER     NOT NULL,
    login      VARCHAR(40) NOT NULL,
    first_name VARCHAR(40),
    last_name  VARCHAR(40) NOT NULL,
    status     CHAR(1)     NOT NULL CHECK (status IN ('A', 'P', 'S', 'X')),   -- at work, on parental leave, suspended, left
    changed_by VARCHAR(20) NOT NULL,
    revision   INTEGER     NOT NULL DEFAULT 1,
    PRIMARY KEY (company, emp_no),
    CONSTRAINT person_login UNIQUE (login)
);
CREATE TABLE hr.mail (
    company CHAR(3)     NOT NULL,
    emp_no  INTEGER     NOT NULL,
    kind    VARCHAR(10) NOT NULL,
    address VARCHAR(80) NOT NULL,
    source  VARCHAR(10) NOT NULL,
    PRIMARY KEY (company, emp_no, address),
    FOREIGN KEY (company, emp_no) REFERENCES hr.person (company, emp_no)
);
CREATE TABLE hr.unit (
    company CHAR(3)     NOT NULL REFERENCES hr.company (code),
    no      INTEGER     NOT NULL,
    title   VARCHAR(60) NOT NULL,
    PRIMARY KEY (company, no),
    CONSTRAINT unit_title UNIQUE (title)
);
CREATE TABLE hr.assignment (
    unit_company   CHAR(3) NOT NULL,
    unit_no        INTEGER NOT NULL,
    person_company CHAR(3) NOT NULL,
    person_no      INTEGER NOT NULL,
    since          DATE    NOT NULL DEFAULT CURRENT_DATE,
    made_by        VARCHAR(20) NOT NULL,
    PRIMARY KEY (unit_company, unit_no, person_company, person_no),
    FOREIGN KEY (unit_company, unit_no) REFERENCES hr.unit (company, no),
    CONSTRAINT assigned_person FOREIGN KEY (person_company, person_no) REFERENCES hr.person (company, emp_no)
);
CREATE TABLE hr.journal (no SERIAL PRIMARY KEY, what VARCHAR(20) NOT NULL, whom VARCHAR(20) NOT NULL);

-- Numbers are given within a company; a company that is not there is told by its name.
CREATE FUNCTION hr.hire(in_company CHAR, in_login TEXT, in_first TEXT, in_last TEXT, in_status TEXT)
RETURNS TABLE (company CHAR(3), emp_no INTEGER) LANGUAGE plpgsql AS $$
DECLARE found hr.company;
BEGIN
    UPDATE hr.company SET last_no = last_no + 1 WHERE code = COALESCE(in_company, 'HQ') RETURNING * INTO found;
    INSERT INTO hr.person (company, emp_no, login, first_name, last_name, status, changed_by)
        VALUES (COALESCE(in_company, 'HQ'), found.last_no, in_login, in_first, COALESCE(in_last, ''),
                COALESCE(in_status, 'A'), 'hire');
    INSERT INTO hr.journal (what, whom) VALUES ('hire', found.code || found.last_no);
    RETURN QUERY SELECT found.code, found.last_no;
END $$;

-- 0: done; 4: the person is not there; 8: nobody who has left comes back this way.
CREATE FUNCTION hr.set_status(in_company CHAR, in_no INTEGER, in_status TEXT) RETURNS INTEGER LANGUAGE plpgsql AS $$
DECLARE old CHAR(1);
BEGIN
    SELECT status INTO old FROM hr.person WHERE company = in_company AND emp_no = in_no FOR UPDATE;
    IF old IS NULL THEN RETURN 4; END IF;
    IF old = 'X' THEN RETURN 8; END IF;
    UPDATE hr.person SET status = in_status, changed_by = 'set_status', revision = revision + 1
        WHERE company = in_company AND emp_no = in_no;
    INSERT INTO hr.journal (what, whom) VALUES ('status ' || in_status, TRIM(in_company) || in_no);
    RETURN 0;
END $$;

CREATE FUNCTION hr.open_unit(in_title TEXT) RETURNS TABLE (company CHAR(3), no INTEGER) LANGUAGE sql AS $$
    INSERT INTO hr.unit (company, no, title)
        SELECT 'HQ', COALESCE(MAX(u.no), 0) + 1, in_title FROM hr.unit u WHERE u.company = 'HQ'
        RETURNING unit.company, unit.no
$$;

CREATE PROCEDURE hr.close_unit(in_company CHAR, in_no INTEGER) LANGUAGE sql AS $$
    DELETE FROM hr.assignment WHERE unit_company = in_company AND unit_no = in_no;
    DELETE FROM hr.unit WHERE company = in_company AND no = in_no;
    INSERT INTO hr.journal (what, whom) VALUES ('close', TRIM(in_company) || in_no);
$$;

INSERT INTO hr.company VALUES ('HQ', 'Head Office', 2), ('NW', 'North West', 1);
INSERT INTO hr.person (company, emp_no, login, first_name, last_name, status, changed_by) VALUES
    ('HQ', 1, 'B.JONES', 'Barbara', 'Jones', 'A', 'terminal'),
    ('HQ', 2, 'O.KHAN', NULL, 'Khan', 'P', 'terminal'),
    ('NW', 1, 'E.LONG', 'Eva', 'Long', 'X', 'terminal');
INSERT INTO hr.mail VALUES ('HQ', 1, 'work', 'b.jones@example.com', 'terminal');
INSERT INTO hr.unit VALUES ('HQ', 1, 'Accounting'), ('NW', 1, 'Warehouse');
INSERT INTO hr.assignment (unit_company, unit_no, person_company, person_no, made_by) VALUES ('HQ', 1, 'HQ', 1, 'terminal');
