-- Blocks, savepoints, exceptions in code, isolation levels, read-only transactions.
CREATE TABLE note (id int PRIMARY KEY, body text);
INSERT INTO note VALUES (1, 'a red apple'), (2, 'a green pear');
-- index: note {body}
BEGIN;
INSERT INTO note VALUES (3, 'a yellow lemon');
SAVEPOINT s;
UPDATE note SET body = 'a sour lemon' WHERE id = 3;
INSERT INTO note VALUES (3, 'twice');
ROLLBACK TO s;
UPDATE note SET body = 'a ripe lemon' WHERE id = 3 RETURNING *;
RELEASE s;
COMMIT;
BEGIN;
DELETE FROM note;
ROLLBACK;
DO $$
BEGIN
    INSERT INTO note VALUES (4, 'a fig');
    BEGIN
        UPDATE note SET body = 'a dried fig' WHERE id = 4;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'caught %', SQLSTATE;
    END;
    FOR n IN 10..13 LOOP INSERT INTO note VALUES (n, 'number ' || n); END LOOP;
END $$;
CREATE FUNCTION put(n note) RETURNS SETOF note LANGUAGE sql AS 'INSERT INTO note SELECT (n).* RETURNING *';
SELECT * FROM put(ROW(20, 'from a function'));
SELECT * FROM put(ROW(20, 'from a function'));
CREATE PROCEDURE in_steps() LANGUAGE plpgsql AS $$
DECLARE r note%ROWTYPE;
BEGIN
    INSERT INTO note VALUES (30, 'thirty'); COMMIT;
    UPDATE note SET body = 'changed' WHERE id = 30 RETURNING * INTO r; ROLLBACK;
    SELECT * INTO r FROM note WHERE id = 30; RAISE NOTICE '%', r;
    r.id := 31; INSERT INTO note VALUES (r.*);
END $$;
CALL in_steps();
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE note SET body = 'repeatable' WHERE id = 1 RETURNING *;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE note SET body = 'serializable' WHERE id = 1 RETURNING *;
INSERT INTO note VALUES (40, 'forty');
COMMIT;
BEGIN READ ONLY;
UPDATE note SET body = 'read only' WHERE id = 1;
ROLLBACK;
SET default_transaction_read_only = on;
DELETE FROM note;
SET default_transaction_read_only = off;
BEGIN;
LOCK TABLE note IN ACCESS EXCLUSIVE MODE;
UPDATE note SET body = 'locked' WHERE id = 1;
COMMIT;
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '1min';
UPDATE note SET body = 'in time' WHERE id = 1;
RESET statement_timeout;
BEGIN;
SELECT * FROM note WHERE id = 1 FOR UPDATE;
UPDATE note SET body = 'held' WHERE id = 1;
COMMIT AND CHAIN;
INSERT INTO note VALUES (50, 'chained');
ROLLBACK AND CHAIN;
COMMIT;
INSERT INTO note VALUES (60, 'one')\; INSERT INTO note VALUES (61, 'two');
INSERT INTO note VALUES (62, 'three')\; INSERT INTO note VALUES (60, 'four');
SELECT id, body FROM note ORDER BY id;
DISCARD ALL;
SET search_path = app, public;
INSERT INTO note VALUES (70, 'after all was discarded');
DISCARD TEMP;
INSERT INTO note VALUES (71, 'and once more');
