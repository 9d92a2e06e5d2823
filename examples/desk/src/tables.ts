// What desk stores for each tenant: the migrations, and the tables that they leave behind.
import { defineTable, type Row } from '@burgage/app-kit';

export const stages = ['lead', 'qualified', 'proposal', 'won', 'lost'] as const;
export type Stage = (typeof stages)[number];

export const contacts = defineTable({
  name: 'contacts',
  columns: {
    name: 'text',
    email: 'text?',
    phone: 'text?',
    company: 'text?',
    notes: 'text?',
    createdAtMs: 'integer',
    updatedAtMs: 'integer',
  },
  search: ['name', 'email', 'company', 'notes'],
});
export type Contact = Row<typeof contacts.columns>;

export const deals = defineTable({
  name: 'deals',
  columns: { title: 'text', contactId: 'text?', amountMinor: 'integer', stage: 'text', createdAtMs: 'integer', updatedAtMs: 'integer' },
  search: ['title'],
});
export type Deal = Row<typeof deals.columns>;

/** At most one row a tenant, whose id is `ownerId`. The invite's token is stored as its SHA-256 only. */
export const owners = defineTable({
  name: 'owners',
  columns: { email: 'text', passwordHash: 'text?', inviteHash: 'text?', inviteExpiresAtMs: 'integer?', createdAtMs: 'integer' },
});
export const ownerId = 'owner';

/** A row's id is the SHA-256 of the session's token. */
export const sessions = defineTable({ name: 'sessions', columns: { createdAtMs: 'integer', expiresAtMs: 'integer' } });

/** A row's id says what is counted, as a SHA-256: see sign-in-throttle.ts. The e-mail address in it need not exist. */
export const signInFailures = defineTable({ name: 'signInFailures', columns: { failures: 'integer', lastAtMs: 'integer' } });

/** A row's id is the SHA-256 of the secret that the device keeps. */
export const devices = defineTable({ name: 'devices', columns: { createdAtMs: 'integer', expiresAtMs: 'integer' } });

export const tables = [contacts, deals, owners, sessions, signInFailures, devices];

export const migrations = [
  `
  CREATE TABLE contacts (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL, email TEXT, phone TEXT, company TEXT, notes TEXT,
    createdAtMs INTEGER NOT NULL, updatedAtMs INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX contacts_by_age ON contacts (tenant_id, createdAtMs, id);
  CREATE INDEX contacts_by_name ON contacts (tenant_id, name, id);

  CREATE TABLE deals (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL,
    title TEXT NOT NULL, contactId TEXT, amountMinor INTEGER NOT NULL, stage TEXT NOT NULL,
    createdAtMs INTEGER NOT NULL, updatedAtMs INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, contactId) REFERENCES contacts (tenant_id, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX deals_by_age ON deals (tenant_id, createdAtMs, id);
  CREATE INDEX deals_by_contact ON deals (tenant_id, contactId, id);
  CREATE INDEX deals_by_stage ON deals (tenant_id, stage, id);

  CREATE TABLE owners (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL,
    email TEXT NOT NULL, passwordHash TEXT, inviteHash TEXT, inviteExpiresAtMs INTEGER, createdAtMs INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sessions (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL,
    createdAtMs INTEGER NOT NULL, expiresAtMs INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE signInFailures (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL,
    failures INTEGER NOT NULL, lastAtMs INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE INDEX signInFailures_by_age ON signInFailures (tenant_id, lastAtMs, id);

  CREATE TABLE devices (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL,
    createdAtMs INTEGER NOT NULL, expiresAtMs INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
  ) STRICT, WITHOUT ROWID;
  `,
];
