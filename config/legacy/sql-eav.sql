-- The schema behind sql-eav.yaml (MariaDB): a web application that keeps next to everything it knows of an account in rows
-- of (account, attribute, value), so that its plugins can add what they like.
CREATE TABLE account (
    id       INTEGER      NOT NULL AUTO_INCREMENT PRIMARY KEY,
    login    VARCHAR(60)  NOT NULL,
    pass     VARCHAR(100) NOT NULL,
    created  INTEGER      NOT NULL,
    UNIQUE KEY account_login (login)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE account_attr (
    account_id INTEGER      NOT NULL,
    attr       VARCHAR(40)  NOT NULL,
    val        TEXT,
    autoload   CHAR(3)      NOT NULL,
    PRIMARY KEY (account_id, attr),
    KEY attr_val (attr, val(40)),
    CONSTRAINT attr_account FOREIGN KEY (account_id) REFERENCES account (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE account_login_count (account_id INTEGER NOT NULL PRIMARY KEY, logins INTEGER NOT NULL, theme VARCHAR(20));
CREATE TABLE account_session (
    token CHAR(32) NOT NULL PRIMARY KEY, account_id INTEGER NOT NULL,
    CONSTRAINT session_account FOREIGN KEY (account_id) REFERENCES account (id)
) ENGINE=InnoDB;
CREATE TABLE team (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, UNIQUE KEY team_name (name));
CREATE TABLE team_attr (team_id INTEGER NOT NULL, attr VARCHAR(40) NOT NULL, val TEXT, PRIMARY KEY (team_id, attr));
CREATE TABLE team_account (
    team_id INTEGER NOT NULL, account_id INTEGER NOT NULL, level CHAR(1) NOT NULL DEFAULT 'r',
    PRIMARY KEY (team_id, account_id),
    CONSTRAINT member_account FOREIGN KEY (account_id) REFERENCES account (id)
) ENGINE=InnoDB;

INSERT INTO account (login, pass, created) VALUES
    ('maria', '$2y$10$abcdefghijklmnopqrstuv', 1262304000), ('jörg', '$2y$10$zyxwvutsrqponmlkjihgfe', 1293840000);
INSERT INTO account_attr VALUES
    (1, 'first_name', 'Maria', 'yes'), (1, 'last_name', 'Silva', 'yes'), (1, 'enabled', '1', 'yes'),
    (1, 'phone_work', '+351 1', 'yes'), (1, 'wp_dashboard', 'a:1:{s:4:"cols";i:2;}', 'no'),
    (1, 'prefs', 'a:2:{s:4:"lang";s:2:"pt";s:6:"colour";s:4:"blue";}', 'no'),
    (2, 'first_name', 'Jörg', 'yes'), (2, 'enabled', '0', 'yes');
INSERT INTO account_login_count VALUES (1, 211, 'dark'), (2, 3, NULL);
INSERT INTO account_session VALUES ('0123456789abcdef0123456789abcdef', 1);
INSERT INTO team (name) VALUES ('Editors');
INSERT INTO team_attr VALUES (1, 'colour', 'red');
INSERT INTO team_account VALUES (1, 1, 'w');
