// What tenants have of their own, as the API shows it: the instance of one, and what nobody owns any more.
import { z } from '@hono/zod-openapi';

export const InstanceSchema = z
  .object({
    state: z
      .enum(['starting', 'running', 'backing_off', 'stopped'])
      .openapi({ description: 'backing_off: it ended, and is started again after a while.', example: 'running' }),
    restarts: z.int().nonnegative().openapi({ description: 'How often it was started again since it last ran well.', example: 0 }),
    lastExit: z.string().optional().openapi({ description: 'How it ended last; absent where it has not.', example: 'ended with code 1' }),
  })
  .openapi('Instance', { description: 'A process of its own for one tenant.' });

export const OrphanSchema = z
  .object({
    id: z.string().openapi({ description: 'Names it among all.', example: 'instance/ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
    kind: z.string().openapi({ description: 'instance, database, files, upstream or port.', example: 'instance' }),
    tenantId: z
      .string()
      .optional()
      .openapi({ description: 'The tenant that it was made for, where that is known.', example: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
    detail: z.string().optional().openapi({ description: 'What it is, in a few words.', example: 'running on port 9200' }),
  })
  .openapi('Orphan', { description: 'Something that was made for one tenant and that nobody owns.' });

export const OrphanListSchema = z.object({ items: z.array(OrphanSchema).openapi({ description: 'By id.' }) }).openapi('OrphanList');

/** More in one request could not be kept within the bounds of its body and of its audit entry. */
export const orphanIdsMax = 500;

const ids = `expected 1 to ${orphanIdsMax} ids of GET /v1/orphans`;

export const DeleteOrphansSchema = z
  .strictObject(
    {
      ids: z
        .array(z.string({ error: 'expected an id of GET /v1/orphans' }).min(1, { error: 'expected an id of GET /v1/orphans' }), {
          error: ids,
        })
        .min(1, { error: ids })
        .max(orphanIdsMax, { error: ids })
        .openapi({ description: 'What to remove: exactly these.', example: ['instance/ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W'] }),
    },
    { error: 'expected an object with ids' },
  )
  .openapi('DeleteOrphans');

export const DeletedOrphansSchema = z
  .object({
    deleted: z.array(z.string()).openapi({ description: 'What was removed.' }),
    skipped: z.array(z.string()).openapi({ description: 'What was left alone: it has an owner, or is gone already.' }),
  })
  .openapi('DeletedOrphans');

export type Instance = z.infer<typeof InstanceSchema>;
export type Orphan = z.infer<typeof OrphanSchema>;
export type OrphanList = z.infer<typeof OrphanListSchema>;
export type DeletedOrphans = z.infer<typeof DeletedOrphansSchema>;

export const orphanListExample: OrphanList = {
  items: [
    {
      id: 'instance/ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
      kind: 'instance',
      tenantId: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
      detail: 'running on port 9200',
    },
  ],
};

export const deletedOrphansExample: DeletedOrphans = { deleted: ['instance/ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W'], skipped: [] };
