-- The members' table of an old club administration: people, and nothing about groups.
CREATE TABLE CLUB_MEMBER (
    MEMBER_NO  INTEGER PRIMARY KEY,
    LOGIN      VARCHAR(40)  NOT NULL UNIQUE,
    FULL_NAME  VARCHAR(80),
    MAIL       VARCHAR(120),
    ENDED      CHAR(1)      NOT NULL DEFAULT 'N'
);

INSERT INTO CLUB_MEMBER (MEMBER_NO, LOGIN, FULL_NAME, MAIL, ENDED) VALUES
    (1, 'ines', 'Ines Roa', 'ines@example.com', 'N'),
    (2, 'olaf', 'Olaf Berg', NULL, 'J');
