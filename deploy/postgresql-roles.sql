-- Two roles instead of one: who changes tables, and who works in them. Run once in the database, as its superuser:
--   psql --set ON_ERROR_STOP=1 --dbname paydesk --file postgresql-roles.sql
-- then set their passwords (\password paydesk_owner, \password paydesk_app), and again after a restore.
--
--   paydesk_owner  DATABASE_URL of `paydesk db upgrade` (paydesk-migrate.service) and of nothing else
--   paydesk_app    DATABASE_URL of web, workers and scheduler: rows only. It makes, alters and drops no table, switches
--                  no trigger off, empties no table, and is no superuser; what is booked or remembered it only adds.

CREATE ROLE paydesk_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE paydesk_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO paydesk_owner;
GRANT USAGE ON SCHEMA public TO paydesk_app;

-- What the owner makes later is open to the other one at once.
ALTER DEFAULT PRIVILEGES FOR ROLE paydesk_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO paydesk_app;
ALTER DEFAULT PRIVILEGES FOR ROLE paydesk_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO paydesk_app;
