"""the spine

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations import guards
from webapp import database

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_heads",
        sa.Column(
            "chain",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "due_tasks",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("due_at", database.UtcDateTime(), nullable=False),
        sa.Column("lease_until", database.UtcDateTime(), nullable=True),
        sa.Column("last_run_at", database.UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_due_tasks")),
        sa.UniqueConstraint(
            "name", "organisation_id", name=op.f("uq_due_tasks_name_organisation_id")
        ),
    )
    with op.batch_alter_table("due_tasks", schema=None) as batch_op:
        batch_op.create_index("ix_due_tasks_due", ["due_at"], unique=False)

    op.create_table(
        "ledger_zero",
        sa.Column(
            "value",
            sa.BigInteger().with_variant(sa.BigInteger(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.CheckConstraint("value = 0", name=op.f("ck_ledger_zero_value_is_zero")),
        sa.PrimaryKeyConstraint("value", name=op.f("pk_ledger_zero")),
    )
    op.create_table(
        "organisations",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("legal_name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=2000), nullable=False),
        sa.Column("tax_id", sa.String(length=120), nullable=False),
        sa.Column("contact_email", sa.String(length=120), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=120), nullable=False),
        sa.Column("locale", sa.String(length=120), nullable=False),
        sa.Column("week_start", sa.Integer(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "length(currency) = 3 AND currency = upper(currency)",
            name=op.f("ck_organisations_currency_format"),
        ),
        sa.CheckConstraint(
            "week_start BETWEEN 0 AND 6",
            name=op.f("ck_organisations_week_start_is_a_weekday"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("slug", name=op.f("uq_organisations_slug")),
    )
    op.create_table(
        "sandbox_calls",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("transfer_id", sa.String(length=40), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("answer", sa.String(length=200), nullable=False),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_calls")),
    )
    with op.batch_alter_table("sandbox_calls", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sandbox_calls_transfer_id"), ["transfer_id"], unique=False
        )

    op.create_table(
        "users",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("password_changed_at", database.UtcDateTime(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("last_sign_in_at", database.UtcDateTime(), nullable=True),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "email = lower(email)", name=op.f("ck_users_email_is_lower_case")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "approval_policies",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["users.id"],
            name=op.f("fk_approval_policies_created_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_approval_policies_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_policies")),
        sa.UniqueConstraint(
            "organisation_id",
            "version",
            name=op.f("uq_approval_policies_organisation_id_version"),
        ),
    )
    op.create_table(
        "audit_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "chain",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.Column(
            "actor_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("actor_label", sa.String(length=254), nullable=False),
        sa.Column("ip", sa.String(length=120), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("tag", sa.String(length=120), nullable=False),
        sa.Column("subject_type", sa.String(length=120), nullable=False),
        sa.Column(
            "subject_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("subject_label", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name=op.f("fk_audit_events_actor_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_audit_events_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_audit_events_chain_seq")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_events_hash")),
    )
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_audit_events_organisation", ["organisation_id", "id"], unique=False
        )
        batch_op.create_index(
            "ix_audit_events_subject",
            ["organisation_id", "subject_type", "subject_id", "id"],
            unique=False,
        )

    op.create_table(
        "installation_settings",
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("range_mode", sa.String(length=20), nullable=False),
        sa.Column("is_progressive", sa.Boolean(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("minimum_payout_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "range_mode IN ('half_open', 'inclusive')",
            name=op.f("ck_installation_settings_range_mode_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_installation_settings_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", name=op.f("pk_installation_settings")
        ),
    )
    op.create_table(
        "installation_types",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("code", sa.String(length=120), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_installation_types_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation_types")),
        sa.UniqueConstraint(
            "organisation_id",
            "code",
            name=op.f("uq_installation_types_organisation_id_code"),
        ),
    )
    op.create_table(
        "installations",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("external_ref", sa.String(length=120), nullable=True),
        sa.Column("installation_type", sa.String(length=120), nullable=False),
        sa.Column("customer_name", sa.String(length=200), nullable=False),
        sa.Column("site", sa.String(length=300), nullable=False),
        sa.Column("size", database.ScaledDecimal(), nullable=True),
        sa.Column("capacity_unit", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("order_value_minor", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("commissioned_on", sa.Date(), nullable=True),
        sa.Column("quality_check", sa.String(length=20), nullable=False),
        sa.Column(
            "edited_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_by_label", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'commissioned', 'active', 'decommissioned')",
            name=op.f("ck_installations_status_is_known"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('commissioned', 'active') OR commissioned_on IS NOT NULL",
            name=op.f("ck_installations_commissioned_has_a_date"),
        ),
        sa.CheckConstraint(
            "order_value_minor IS NULL OR order_value_minor >= 0",
            name=op.f("ck_installations_order_value_not_negative"),
        ),
        sa.CheckConstraint(
            "size IS NULL OR size > 0", name=op.f("ck_installations_size_positive")
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_installations_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["edited_by_id"], ["users.id"], name=op.f("fk_installations_edited_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_installations_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installations")),
        sa.UniqueConstraint(
            "organisation_id",
            "external_ref",
            name=op.f("uq_installations_organisation_id_external_ref"),
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "reference",
            name=op.f("uq_installations_organisation_id_reference"),
        ),
    )
    with op.batch_alter_table("installations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_installations_organisation_commissioned",
            ["organisation_id", "commissioned_on", "id"],
            unique=False,
        )

    op.create_table(
        "journal_entries",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("source_type", sa.String(length=120), nullable=False),
        sa.Column(
            "source_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "reverses_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_by_label", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("legs", sa.Integer(), nullable=False),
        sa.Column("legs_missing", sa.BigInteger(), nullable=False),
        sa.Column("imbalance", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "legs >= 2", name=op.f("ck_journal_entries_two_postings_at_least")
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["users.id"],
            name=op.f("fk_journal_entries_created_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["imbalance"],
            ["ledger_zero.value"],
            name=op.f("fk_journal_entries_imbalance"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["legs_missing"],
            ["ledger_zero.value"],
            name=op.f("fk_journal_entries_legs_missing"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_journal_entries_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id"],
            ["journal_entries.id"],
            name=op.f("fk_journal_entries_reverses_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entries")),
        sa.UniqueConstraint(
            "id", "currency", name=op.f("uq_journal_entries_id_currency")
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "idempotency_key",
            name=op.f("uq_journal_entries_organisation_id_idempotency_key"),
        ),
    )
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_journal_entries_effective",
            ["organisation_id", "effective_on", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_journal_entries_source",
            ["organisation_id", "source_type", "source_id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_journal_entries_reverses",
            ["reverses_id"],
            unique=True,
            sqlite_where=sa.text("reverses_id IS NOT NULL"),
            postgresql_where=sa.text("reverses_id IS NOT NULL"),
        )

    op.create_table(
        "memberships",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "role IN ('admin', 'accountant', 'technician', 'owner', 'practitioner', 'driver', 'partner')",
            name=op.f("ck_memberships_role_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_memberships_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint(
            "organisation_id",
            "user_id",
            "role",
            name=op.f("uq_memberships_organisation_id_user_id_role"),
        ),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_memberships_user_id"), ["user_id"], unique=False
        )

    op.create_table(
        "number_series",
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("prefix", sa.String(length=120), nullable=False),
        sa.Column(
            "next_number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_number_series_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "prefix", name=op.f("pk_number_series")
        ),
    )
    op.create_table(
        "organisation_programs",
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("program", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_organisation_programs_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "program", name=op.f("pk_organisation_programs")
        ),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column(
            "reference_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("dedupe_key", sa.String(length=200), nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("not_before", database.UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", database.UtcDateTime(), nullable=True),
        sa.Column("leased_by", sa.String(length=120), nullable=False),
        sa.Column("done_at", database.UtcDateTime(), nullable=True),
        sa.Column("gave_up_at", database.UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_outbox_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_due",
            ["not_before", "id"],
            unique=False,
            sqlite_where=sa.text("done_at IS NULL AND gave_up_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL AND gave_up_at IS NULL"),
        )

    op.create_table(
        "payees",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("phone", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=2000), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("external_ref", sa.String(length=120), nullable=True),
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('technician', 'owner', 'practitioner', 'driver', 'partner')",
            name=op.f("ck_payees_kind_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_payees_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_payees_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_payees_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payees")),
        sa.UniqueConstraint(
            "organisation_id", "id", name=op.f("uq_payees_organisation_id_id")
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "kind",
            "external_ref",
            name=op.f("uq_payees_organisation_id_kind_external_ref"),
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "reference",
            name=op.f("uq_payees_organisation_id_reference"),
        ),
    )
    with op.batch_alter_table("payees", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payees_organisation_id_name",
            ["organisation_id", "name", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_payees_user_id"), ["user_id"], unique=False
        )

    op.create_table(
        "rail_switches",
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("rail", sa.String(length=20), nullable=False),
        sa.Column("is_halted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("changed_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_rail_switches_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "rail", name=op.f("pk_rail_switches")
        ),
    )
    op.create_table(
        "rate_configurations",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("external_ref", sa.String(length=120), nullable=True),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_rate_configurations_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_configurations")),
        sa.UniqueConstraint(
            "organisation_id",
            "external_ref",
            name=op.f("uq_rate_configurations_organisation_id_external_ref"),
        ),
    )
    with op.batch_alter_table("rate_configurations", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_rate_configurations_organisation_id"),
            ["organisation_id"],
            unique=False,
        )

    op.create_table(
        "runs",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("is_stop_requested", sa.Boolean(), nullable=False),
        sa.Column("stop_reason", sa.String(length=2000), nullable=False),
        sa.Column("lease_until", database.UtcDateTime(), nullable=True),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_by_label", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", database.UtcDateTime(), nullable=True),
        sa.Column("started_at", database.UtcDateTime(), nullable=True),
        sa.Column("finished_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('draft', 'queued', 'running', 'stopped', 'finished')",
            name=op.f("ck_runs_state_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_runs_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_runs_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint(
            "organisation_id",
            "reference",
            name=op.f("uq_runs_organisation_id_reference"),
        ),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_runs_organisation", ["organisation_id", "id"], unique=False
        )

    op.create_table(
        "sandbox_orders",
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("behaviour", sa.String(length=120), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_sandbox_orders_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_sandbox_orders")),
    )
    op.create_table(
        "sandbox_transfers",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("transfer_id", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("beneficiary", sa.String(length=200), nullable=False),
        sa.Column("account_masked", sa.String(length=60), nullable=False),
        sa.Column("remarks", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("behaviour", sa.String(length=120), nullable=False),
        sa.Column("code", sa.String(length=120), nullable=False),
        sa.Column("message", sa.String(length=300), nullable=False),
        sa.Column("utr", sa.String(length=120), nullable=False),
        sa.Column("received_at", database.UtcDateTime(), nullable=False),
        sa.Column("settle_at", database.UtcDateTime(), nullable=True),
        sa.Column("changed_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'success', 'failed', 'reversed')",
            name=op.f("ck_sandbox_transfers_state_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_sandbox_transfers_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_transfers")),
        sa.UniqueConstraint(
            "transfer_id", name=op.f("uq_sandbox_transfers_transfer_id")
        ),
    )
    with op.batch_alter_table("sandbox_transfers", schema=None) as batch_op:
        batch_op.create_index(
            "ix_sandbox_transfers_state", ["state", "settle_at"], unique=False
        )

    op.create_table(
        "user_sessions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("ip", sa.String(length=120), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", database.UtcDateTime(), nullable=False),
        sa.Column("reauthenticated_at", database.UtcDateTime(), nullable=False),
        sa.Column("expires_at", database.UtcDateTime(), nullable=False),
        sa.Column("ended_at", database.UtcDateTime(), nullable=True),
        sa.Column("end_reason", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_user_sessions_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_sessions_token_hash")),
    )
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_user_sessions_user_id"), ["user_id"], unique=False
        )

    op.create_table(
        "accounts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("code", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("normal_side", sa.Integer(), nullable=False),
        sa.Column("minimum_balance_minor", sa.BigInteger(), nullable=True),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "type IN ('asset', 'liability', 'income', 'expense', 'equity')",
            name=op.f("ck_accounts_type_is_known"),
        ),
        sa.CheckConstraint(
            "length(currency) = 3 AND currency = upper(currency)",
            name=op.f("ck_accounts_currency_format"),
        ),
        sa.CheckConstraint(
            "minimum_balance_minor IS NULL OR balance_minor >= minimum_balance_minor",
            name=op.f("ck_accounts_balance_at_minimum"),
        ),
        sa.CheckConstraint(
            "normal_side IN (1, -1)", name=op.f("ck_accounts_normal_side_is_a_sign")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_accounts_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_accounts_payee_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("id", "currency", name=op.f("uq_accounts_id_currency")),
        sa.UniqueConstraint(
            "organisation_id",
            "code",
            "currency",
            name=op.f("uq_accounts_organisation_id_code_currency"),
        ),
    )
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_accounts_payee_id"), ["payee_id"], unique=False
        )

    op.create_table(
        "installation_files",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "installation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("content_type", sa.String(length=120), nullable=False),
        sa.Column(
            "size_bytes",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key", sa.String(length=200), nullable=False),
        sa.Column(
            "uploaded_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("uploaded_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["installations.id"],
            name=op.f("fk_installation_files_installation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by_id"],
            ["users.id"],
            name=op.f("fk_installation_files_uploaded_by_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation_files")),
    )
    with op.batch_alter_table("installation_files", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_installation_files_installation_id"),
            ["installation_id"],
            unique=False,
        )

    op.create_table(
        "installation_shares",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "installation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("offer", sa.String(length=10), nullable=False),
        sa.Column("offer_reason", sa.String(length=2000), nullable=False),
        sa.CheckConstraint(
            "offer IN ('open', 'blocked', 'dismissed')",
            name=op.f("ck_installation_shares_offer_is_known"),
        ),
        sa.CheckConstraint(
            "weight > 0", name=op.f("ck_installation_shares_weight_positive")
        ),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["installations.id"],
            name=op.f("fk_installation_shares_installation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_installation_shares_payee_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation_shares")),
        sa.UniqueConstraint(
            "installation_id",
            "payee_id",
            name=op.f("uq_installation_shares_installation_id_payee_id"),
        ),
    )
    with op.batch_alter_table("installation_shares", schema=None) as batch_op:
        batch_op.create_index(
            "ix_installation_shares_payee",
            ["payee_id", "installation_id"],
            unique=False,
        )

    op.create_table(
        "payout_methods",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("scheme", sa.String(length=10), nullable=False),
        sa.Column("name_at_bank", sa.String(length=200), nullable=False),
        sa.Column("bank_name", sa.String(length=200), nullable=False),
        sa.Column("masked", sa.String(length=60), nullable=False),
        sa.Column("details_encrypted", sa.String(length=2000), nullable=True),
        sa.Column("blind_index", sa.String(length=64), nullable=False),
        sa.Column("cool_off_until", database.UtcDateTime(), nullable=True),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("replaced_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "kind = 'manual' OR details_encrypted IS NOT NULL",
            name=op.f("ck_payout_methods_details_are_there"),
        ),
        sa.CheckConstraint(
            "kind IN ('bank_account', 'upi', 'manual')",
            name=op.f("ck_payout_methods_kind_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["users.id"],
            name=op.f("fk_payout_methods_created_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_payout_methods_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_payout_methods_payee_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_methods")),
        sa.UniqueConstraint(
            "payee_id", "version", name=op.f("uq_payout_methods_payee_id_version")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_payout_methods_uid")),
    )
    with op.batch_alter_table("payout_methods", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payout_methods_blind_index"), ["blind_index"], unique=False
        )
        batch_op.create_index(
            "uq_payout_methods_current",
            ["payee_id"],
            unique=True,
            sqlite_where=sa.text("is_current"),
            postgresql_where=sa.text("is_current"),
        )

    op.create_table(
        "rate_versions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "configuration_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("installation_type", sa.String(length=120), nullable=True),
        sa.Column("capacity_unit", sa.String(length=20), nullable=False),
        sa.Column("min_size", database.ScaledDecimal(), nullable=True),
        sa.Column("max_size", database.ScaledDecimal(), nullable=True),
        sa.Column("rate_type", sa.String(length=20), nullable=False),
        sa.Column("rate", database.ScaledDecimal(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("has_bonus", sa.Boolean(), nullable=False),
        sa.Column("bonus_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=True),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_by_label", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "rate_type IN ('flat', 'per_unit', 'percentage')",
            name=op.f("ck_rate_versions_rate_type_is_known"),
        ),
        sa.CheckConstraint(
            "bonus_minor >= 0", name=op.f("ck_rate_versions_bonus_not_negative")
        ),
        sa.CheckConstraint(
            "effective_from IS NULL OR effective_to IS NULL OR effective_from <= effective_to",
            name=op.f("ck_rate_versions_effective_range_not_empty"),
        ),
        sa.CheckConstraint(
            "min_size IS NULL OR max_size IS NULL OR min_size <= max_size",
            name=op.f("ck_rate_versions_range_not_empty"),
        ),
        sa.CheckConstraint(
            "min_size IS NULL OR min_size >= 0",
            name=op.f("ck_rate_versions_min_size_not_negative"),
        ),
        sa.CheckConstraint("rate > 0", name=op.f("ck_rate_versions_rate_positive")),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["rate_configurations.id"],
            name=op.f("fk_rate_versions_configuration_id"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_rate_versions_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_rate_versions_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_versions")),
        sa.UniqueConstraint(
            "configuration_id",
            "version",
            name=op.f("uq_rate_versions_configuration_id_version"),
        ),
    )
    with op.batch_alter_table("rate_versions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_rate_versions_organisation_id"),
            ["organisation_id"],
            unique=False,
        )

    op.create_table(
        "run_rows",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "run_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("subject_type", sa.String(length=120), nullable=False),
        sa.Column(
            "subject_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("subject_label", sa.String(length=200), nullable=False),
        sa.Column("subject_version", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("finished_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'done', 'skipped', 'failed')",
            name=op.f("ck_run_rows_outcome_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_run_rows_run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_rows")),
        sa.UniqueConstraint(
            "run_id", "position", name=op.f("uq_run_rows_run_id_position")
        ),
    )
    with op.batch_alter_table("run_rows", schema=None) as batch_op:
        batch_op.create_index(
            "ix_run_rows_waiting", ["run_id", "outcome", "position"], unique=False
        )

    op.create_table(
        "payouts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("program", sa.String(length=120), nullable=False),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("cost_account", sa.String(length=120), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("hold_reason", sa.String(length=2000), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("approvals_needed", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column(
            "method_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("rail", sa.String(length=20), nullable=False),
        sa.Column("payment_reference", sa.String(length=120), nullable=True),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.Column("retry_at", database.UtcDateTime(), nullable=True),
        sa.Column("automatic_retries", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column(
            "run_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column(
            "created_by_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("created_by_label", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("approved_at", database.UtcDateTime(), nullable=True),
        sa.Column("submitted_at", database.UtcDateTime(), nullable=True),
        sa.Column("paid_at", database.UtcDateTime(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state <> 'paid' OR paid_on IS NOT NULL",
            name=op.f("ck_payouts_paid_has_a_date"),
        ),
        sa.CheckConstraint(
            "state IN ('approved', 'cancelled', 'failed', 'paid', 'pending_approval', 'processing', 'rejected', 'retry_scheduled', 'reversed')",
            name=op.f("ck_payouts_state_is_known"),
        ),
        sa.CheckConstraint(
            "amount_minor > 0", name=op.f("ck_payouts_amount_minor_positive")
        ),
        sa.CheckConstraint(
            "approvals_needed >= 0",
            name=op.f("ck_payouts_approvals_needed_not_negative"),
        ),
        sa.CheckConstraint(
            "length(currency) = 3 AND currency = upper(currency)",
            name=op.f("ck_payouts_currency_format"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_payouts_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["method_id"], ["payout_methods.id"], name=op.f("fk_payouts_method_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_payouts_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_payouts_payee_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_payouts_run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint(
            "organisation_id",
            "idempotency_key",
            name=op.f("uq_payouts_organisation_id_idempotency_key"),
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "reference",
            name=op.f("uq_payouts_organisation_id_reference"),
        ),
    )
    with op.batch_alter_table("payouts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payouts_organisation_created", ["organisation_id", "id"], unique=False
        )
        batch_op.create_index(
            "ix_payouts_organisation_payee",
            ["organisation_id", "payee_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_payouts_organisation_state",
            ["organisation_id", "state", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_payouts_payment_reference",
            ["organisation_id", "payment_reference"],
            unique=True,
            sqlite_where=sa.text("payment_reference IS NOT NULL"),
            postgresql_where=sa.text("payment_reference IS NOT NULL"),
        )

    op.create_table(
        "postings",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "entry_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "account_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount_minor <> 0", name=op.f("ck_postings_amount_is_not_zero")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name=op.f("fk_postings_account_id_currency"),
        ),
        sa.ForeignKeyConstraint(
            ["entry_id", "currency"],
            ["journal_entries.id", "journal_entries.currency"],
            name=op.f("fk_postings_entry_id_currency"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postings")),
    )
    with op.batch_alter_table("postings", schema=None) as batch_op:
        batch_op.create_index("ix_postings_account", ["account_id", "id"], unique=False)
        batch_op.create_index("ix_postings_entry", ["entry_id"], unique=False)

    op.create_table(
        "documents",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column("number", sa.String(length=120), nullable=False),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("variant", sa.String(length=120), nullable=False),
        sa.Column(
            "replaces_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("storage_key", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("ready_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state <> 'ready' OR (sha256 <> '' AND storage_key <> '')",
            name=op.f("ck_documents_ready_has_bytes"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'ready', 'failed')",
            name=op.f("ck_documents_state_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_documents_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_documents_payee_id")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_documents_payout_id")
        ),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["documents.id"], name=op.f("fk_documents_replaces_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint(
            "organisation_id",
            "number",
            name=op.f("uq_documents_organisation_id_number"),
        ),
        sa.UniqueConstraint(
            "payout_id",
            "kind",
            "variant",
            name=op.f("uq_documents_payout_id_kind_variant"),
        ),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(
            "ix_documents_payee", ["organisation_id", "payee_id", "id"], unique=False
        )

    op.create_table(
        "emails",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("dedupe_key", sa.String(length=200), nullable=False),
        sa.Column("notice", sa.String(length=120), nullable=False),
        sa.Column("to_address", sa.String(length=254), nullable=False),
        sa.Column("to_name", sa.String(length=200), nullable=False),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("lease_until", database.UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("sent_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'kept', 'failed')",
            name=op.f("ck_emails_state_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_emails_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_emails_payee_id")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_emails_payout_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emails")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_emails_dedupe_key")),
    )
    with op.batch_alter_table("emails", schema=None) as batch_op:
        batch_op.create_index(
            "ix_emails_organisation", ["organisation_id", "id"], unique=False
        )
        batch_op.create_index("ix_emails_payout", ["payout_id"], unique=False)

    op.create_table(
        "payout_approval_exclusions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["payout_id"],
            ["payouts.id"],
            name=op.f("fk_payout_approval_exclusions_payout_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_payout_approval_exclusions_user_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_approval_exclusions")),
        sa.UniqueConstraint(
            "payout_id",
            "user_id",
            "reason",
            name=op.f("uq_payout_approval_exclusions_payout_id_user_id_reason"),
        ),
    )
    op.create_table(
        "payout_approvals",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column(
            "approver_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("approver_label", sa.String(length=254), nullable=False),
        sa.Column(
            "maker_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("is_single_operator", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('approved', 'rejected')",
            name=op.f("ck_payout_approvals_decision_is_known"),
        ),
        sa.CheckConstraint(
            "maker_id IS NULL OR approver_id <> maker_id OR is_single_operator",
            name=op.f("ck_payout_approvals_approver_is_not_maker"),
        ),
        sa.ForeignKeyConstraint(
            ["approver_id"], ["users.id"], name=op.f("fk_payout_approvals_approver_id")
        ),
        sa.ForeignKeyConstraint(
            ["maker_id"], ["users.id"], name=op.f("fk_payout_approvals_maker_id")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_payout_approvals_payout_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_approvals")),
        sa.UniqueConstraint(
            "payout_id",
            "round",
            "approver_id",
            name=op.f("uq_payout_approvals_payout_id_round_approver_id"),
        ),
    )
    op.create_table(
        "payout_lines",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=True),
        sa.Column("quantity", database.ScaledDecimal(), nullable=True),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("rate", database.ScaledDecimal(), nullable=True),
        sa.Column("formula", sa.String(length=300), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("source_type", sa.String(length=120), nullable=False),
        sa.Column(
            "source_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("source_label", sa.String(length=120), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_payout_lines_payout_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_lines")),
        sa.UniqueConstraint(
            "payout_id", "position", name=op.f("uq_payout_lines_payout_id_position")
        ),
    )
    op.create_table(
        "payout_source_claims",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "payee_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("source_type", sa.String(length=120), nullable=False),
        sa.Column(
            "source_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("released_at", database.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_payout_source_claims_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_payout_source_claims_payee_id")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"],
            ["payouts.id"],
            name=op.f("fk_payout_source_claims_payout_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_source_claims")),
    )
    with op.batch_alter_table("payout_source_claims", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payout_source_claims_payout", ["payout_id"], unique=False
        )
        batch_op.create_index(
            "uq_payout_source_claims_live",
            ["organisation_id", "source_type", "source_id", "payee_id"],
            unique=True,
            sqlite_where=sa.text("released_at IS NULL"),
            postgresql_where=sa.text("released_at IS NULL"),
        )

    op.create_table(
        "transfers",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "payout_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("transfer_id", sa.String(length=40), nullable=False),
        sa.Column("rail", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "method_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("lease_until", database.UtcDateTime(), nullable=True),
        sa.Column("leased_by", sa.String(length=120), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("not_found_count", sa.Integer(), nullable=False),
        sa.Column("not_found_since", database.UtcDateTime(), nullable=True),
        sa.Column("next_check_at", database.UtcDateTime(), nullable=True),
        sa.Column("provider_reference", sa.String(length=120), nullable=False),
        sa.Column("utr", sa.String(length=120), nullable=False),
        sa.Column("error_code", sa.String(length=120), nullable=False),
        sa.Column("error_message", sa.String(length=500), nullable=False),
        sa.Column("credited_at", database.UtcDateTime(), nullable=True),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("finished_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('accepted', 'failed', 'queued', 'reversed', 'review', 'submitting', 'succeeded', 'unknown')",
            name=op.f("ck_transfers_state_is_known"),
        ),
        sa.CheckConstraint(
            "amount_minor > 0", name=op.f("ck_transfers_amount_minor_positive")
        ),
        sa.ForeignKeyConstraint(
            ["method_id"], ["payout_methods.id"], name=op.f("fk_transfers_method_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_transfers_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_transfers_payout_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("payout_id", "n", name=op.f("uq_transfers_payout_id_n")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_transfers_transfer_id")),
    )
    with op.batch_alter_table("transfers", schema=None) as batch_op:
        batch_op.create_index(
            "ix_transfers_next_check", ["state", "next_check_at"], unique=False
        )
        batch_op.create_index(
            "uq_transfers_one_open",
            ["payout_id"],
            unique=True,
            sqlite_where=sa.text(
                "state IN ('accepted', 'queued', 'submitting', 'unknown')"
            ),
            postgresql_where=sa.text(
                "state IN ('accepted', 'queued', 'submitting', 'unknown')"
            ),
        )
        batch_op.create_index(
            "uq_transfers_one_success",
            ["payout_id"],
            unique=True,
            sqlite_where=sa.text("state = 'succeeded'"),
            postgresql_where=sa.text("state = 'succeeded'"),
        )

    op.create_table(
        "transfer_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "transfer_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("from_state", sa.String(length=20), nullable=False),
        sa.Column("to_state", sa.String(length=20), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transfer_id"],
            ["transfers.id"],
            name=op.f("fk_transfer_events_transfer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_events")),
        sa.UniqueConstraint(
            "transfer_id", "seq", name=op.f("uq_transfer_events_transfer_id_seq")
        ),
    )
    guards.install()


def downgrade() -> None:
    """Take back."""
    guards.remove()
    op.drop_table("transfer_events")
    with op.batch_alter_table("transfers", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_transfers_one_success",
            sqlite_where=sa.text("state = 'succeeded'"),
            postgresql_where=sa.text("state = 'succeeded'"),
        )
        batch_op.drop_index(
            "uq_transfers_one_open",
            sqlite_where=sa.text(
                "state IN ('accepted', 'queued', 'submitting', 'unknown')"
            ),
            postgresql_where=sa.text(
                "state IN ('accepted', 'queued', 'submitting', 'unknown')"
            ),
        )
        batch_op.drop_index("ix_transfers_next_check")

    op.drop_table("transfers")
    with op.batch_alter_table("payout_source_claims", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_payout_source_claims_live",
            sqlite_where=sa.text("released_at IS NULL"),
            postgresql_where=sa.text("released_at IS NULL"),
        )
        batch_op.drop_index("ix_payout_source_claims_payout")

    op.drop_table("payout_source_claims")
    op.drop_table("payout_lines")
    op.drop_table("payout_approvals")
    op.drop_table("payout_approval_exclusions")
    with op.batch_alter_table("emails", schema=None) as batch_op:
        batch_op.drop_index("ix_emails_payout")
        batch_op.drop_index("ix_emails_organisation")

    op.drop_table("emails")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("ix_documents_payee")

    op.drop_table("documents")
    with op.batch_alter_table("postings", schema=None) as batch_op:
        batch_op.drop_index("ix_postings_entry")
        batch_op.drop_index("ix_postings_account")

    op.drop_table("postings")
    with op.batch_alter_table("payouts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_payouts_payment_reference",
            sqlite_where=sa.text("payment_reference IS NOT NULL"),
            postgresql_where=sa.text("payment_reference IS NOT NULL"),
        )
        batch_op.drop_index("ix_payouts_organisation_state")
        batch_op.drop_index("ix_payouts_organisation_payee")
        batch_op.drop_index("ix_payouts_organisation_created")

    op.drop_table("payouts")
    with op.batch_alter_table("run_rows", schema=None) as batch_op:
        batch_op.drop_index("ix_run_rows_waiting")

    op.drop_table("run_rows")
    with op.batch_alter_table("rate_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_versions_organisation_id"))

    op.drop_table("rate_versions")
    with op.batch_alter_table("payout_methods", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_payout_methods_current",
            sqlite_where=sa.text("is_current"),
            postgresql_where=sa.text("is_current"),
        )
        batch_op.drop_index(batch_op.f("ix_payout_methods_blind_index"))

    op.drop_table("payout_methods")
    with op.batch_alter_table("installation_shares", schema=None) as batch_op:
        batch_op.drop_index("ix_installation_shares_payee")

    op.drop_table("installation_shares")
    with op.batch_alter_table("installation_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_installation_files_installation_id"))

    op.drop_table("installation_files")
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_accounts_payee_id"))

    op.drop_table("accounts")
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_user_sessions_user_id"))

    op.drop_table("user_sessions")
    with op.batch_alter_table("sandbox_transfers", schema=None) as batch_op:
        batch_op.drop_index("ix_sandbox_transfers_state")

    op.drop_table("sandbox_transfers")
    op.drop_table("sandbox_orders")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index("ix_runs_organisation")

    op.drop_table("runs")
    with op.batch_alter_table("rate_configurations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_configurations_organisation_id"))

    op.drop_table("rate_configurations")
    op.drop_table("rail_switches")
    with op.batch_alter_table("payees", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_payees_user_id"))
        batch_op.drop_index("ix_payees_organisation_id_name")

    op.drop_table("payees")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbox_due",
            sqlite_where=sa.text("done_at IS NULL AND gave_up_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL AND gave_up_at IS NULL"),
        )

    op.drop_table("outbox")
    op.drop_table("organisation_programs")
    op.drop_table("number_series")
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_memberships_user_id"))

    op.drop_table("memberships")
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_journal_entries_reverses",
            sqlite_where=sa.text("reverses_id IS NOT NULL"),
            postgresql_where=sa.text("reverses_id IS NOT NULL"),
        )
        batch_op.drop_index("ix_journal_entries_source")
        batch_op.drop_index("ix_journal_entries_effective")

    op.drop_table("journal_entries")
    with op.batch_alter_table("installations", schema=None) as batch_op:
        batch_op.drop_index("ix_installations_organisation_commissioned")

    op.drop_table("installations")
    op.drop_table("installation_types")
    op.drop_table("installation_settings")
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_events_subject")
        batch_op.drop_index("ix_audit_events_organisation")

    op.drop_table("audit_events")
    op.drop_table("approval_policies")
    op.drop_table("users")
    with op.batch_alter_table("sandbox_calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sandbox_calls_transfer_id"))

    op.drop_table("sandbox_calls")
    op.drop_table("organisations")
    op.drop_table("ledger_zero")
    with op.batch_alter_table("due_tasks", schema=None) as batch_op:
        batch_op.drop_index("ix_due_tasks_due")

    op.drop_table("due_tasks")
    op.drop_table("audit_heads")
