-- After each `paydesk db upgrade`, as paydesk_owner: what is booked or remembered is only ever added. The triggers say
-- so already; with this the role of the program may not even try.
REVOKE UPDATE, DELETE ON postings, audit_events, transfer_events FROM paydesk_app;
REVOKE DELETE ON journal_entries FROM paydesk_app;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM paydesk_app;
