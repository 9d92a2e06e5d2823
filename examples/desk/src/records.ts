// Contacts and deals: what may be written, and how, whether it comes from the API or from a form.
import { invalidField, type Page, ProblemError, type TenantHandle, type Where } from '@burgage/app-kit';
import { z } from 'zod';
import { newId, type Sources } from './sources.ts';
import { type Contact, contacts, type Deal, deals, stages } from './tables.ts';

const text = (max: number) => z.string().trim().min(1, 'expected a text').max(max);
/** Forms send an empty field where the API sends null. */
const optional = <S extends z.ZodType>(schema: S) =>
  z.preprocess((value) => (typeof value === 'string' && value.trim() === '' ? null : value), schema.nullable()).optional();
const amountMinorMax = 1_000_000_000_000;

export const contactSchema = z.strictObject({
  name: text(200),
  email: optional(z.string().trim().pipe(z.email()).pipe(z.string().max(254))),
  phone: optional(text(50)),
  company: optional(text(200)),
  notes: optional(text(5_000)),
});
export const dealSchema = z.strictObject({
  title: text(200),
  contactId: optional(text(64)),
  amountMinor: z.int().min(0).max(amountMinorMax),
  stage: z.enum(stages),
});
export const contactChangesSchema = contactSchema.partial();
export const dealChangesSchema = dealSchema.partial();

export const listSchema = z.strictObject({
  q: z.string().max(200).optional(),
  cursor: z.string().max(1_000).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(25),
});
export type ListQuery = z.infer<typeof listSchema>;

/** `input` as `schema` reads it; throws `invalid_argument` naming every field that is wrong. */
export function parsed<S extends z.ZodType>(schema: S, input: unknown): z.infer<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const fields = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((field) => ({ field, description: 'there is no such field' }))
      : [{ field: issue.path.join('.') || 'body', description: issue.message.replace(/^Invalid input: /, '') }],
  );
  throw new ProblemError('invalid_argument', {
    message: fields.map(({ field, description }) => `${field}: ${description}`).join('; '),
    fields,
  });
}

/** Null where the caller sent nothing; nothing left undefined, because a change to undefined is no change. */
type Written<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function written<T extends object>(changes: T): Written<T> {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as Written<T>;
}

export interface Records {
  createContact(data: TenantHandle, input: z.infer<typeof contactSchema>): Contact;
  updateContact(data: TenantHandle, id: string, changes: z.infer<typeof contactChangesSchema>): Contact;
  /** Its deals stay, without a contact. */
  deleteContact(data: TenantHandle, id: string): void;
  contact(data: TenantHandle, id: string): Contact;
  listContacts(data: TenantHandle, query: ListQuery): Page<Contact>;
  createDeal(data: TenantHandle, input: z.infer<typeof dealSchema>): Deal;
  updateDeal(data: TenantHandle, id: string, changes: z.infer<typeof dealChangesSchema>): Deal;
  deleteDeal(data: TenantHandle, id: string): void;
  deal(data: TenantHandle, id: string): Deal;
  listDeals(data: TenantHandle, query: ListQuery, where?: Where<typeof deals.columns>): Page<Deal>;
}

/** Every reading and changing call throws `not_found` when the tenant has no such record. Lists are newest first. */
export function createRecords(sources: Sources): Records {
  const nowMs = (): number => sources.now().getTime();
  const newest = { by: 'createdAtMs', direction: 'descending' } as const;
  const pageOf = ({ q, cursor, limit }: ListQuery) => ({ order: newest, limit, ...(q && { search: q }), ...(cursor && { cursor }) });

  function requireContact(data: TenantHandle, contactId: string | null | undefined): void {
    if (contactId && !data.table(contacts).get(contactId)) throw invalidField('contactId', 'expected the id of a contact');
  }

  return {
    createContact: (data, input) =>
      data.table(contacts).insert({ id: newId(sources), ...written(input), createdAtMs: nowMs(), updatedAtMs: nowMs() }),
    updateContact: (data, id, changes) => found('contact', data.table(contacts).update(id, { ...written(changes), updatedAtMs: nowMs() })),
    deleteContact: (data, id) =>
      data.transaction(() => {
        data.table(deals).updateWhere({ contactId: id }, { contactId: null });
        found('contact', data.table(contacts).delete(id) || undefined);
      }),
    contact: (data, id) => found('contact', data.table(contacts).get(id)),
    listContacts: (data, query) => data.table(contacts).list(pageOf(query)),
    createDeal: (data, input) =>
      data.transaction(() => {
        requireContact(data, input.contactId);
        return data.table(deals).insert({ id: newId(sources), ...written(input), createdAtMs: nowMs(), updatedAtMs: nowMs() });
      }),
    updateDeal: (data, id, changes) =>
      data.transaction(() => {
        requireContact(data, changes.contactId);
        return found('deal', data.table(deals).update(id, { ...written(changes), updatedAtMs: nowMs() }));
      }),
    deleteDeal: (data, id) => void found('deal', data.table(deals).delete(id) || undefined),
    deal: (data, id) => found('deal', data.table(deals).get(id)),
    listDeals: (data, query, where = {}) => data.table(deals).list({ ...pageOf(query), where }),
  };
}

function found<T>(kind: string, record: T | undefined): T {
  if (record === undefined) throw new ProblemError('not_found', { message: `There is no such ${kind}.` });
  return record;
}
