// What nobody owns, listed and removed through real HTTP and real gRPC.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';
import { AuditPageSchema } from '../schemas/audit.ts';
import { DeletedOrphansSchema, OrphanListSchema } from '../schemas/possessions.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
  rig.provisioner.addPossession({ id: 'database/own/ten_1', kind: 'database', tenantId: 'ten_1', detail: '12 KiB', orphan: true });
  rig.provisioner.addPossession({ id: 'instance/ten_2', kind: 'instance', tenantId: 'ten_2', state: 'running' });
  rig.provisioner.addPossession({ id: 'port/9200', kind: 'port', orphan: true });
});
afterEach(() => rig.stop());

const remove = (body: unknown) =>
  rig.ask('/v1/orphans', { method: 'DELETE', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const audit = async () => AuditPageSchema.parse(await (await rig.ask('/v1/audit')).json()).items;

test('only what nobody owns is listed', async () => {
  expect(OrphanListSchema.strict().parse(await (await rig.ask('/v1/orphans')).json())).toEqual({
    items: [
      { id: 'database/own/ten_1', kind: 'database', tenantId: 'ten_1', detail: '12 KiB' },
      { id: 'port/9200', kind: 'port' },
    ],
  });
});

test('what is named is removed, what has an owner or is gone is left, and the audit has each id', async () => {
  const response = await remove({ ids: ['database/own/ten_1', 'instance/ten_2', 'nothing'] });
  expect(response.status).toBe(200);
  expect(DeletedOrphansSchema.strict().parse(await response.json())).toEqual({
    deleted: ['database/own/ten_1'],
    skipped: ['instance/ten_2', 'nothing'],
  });
  expect(rig.provisioner.possessions.map(({ id }) => id)).toEqual(['instance/ten_2', 'port/9200']);
  expect((await audit())[0]).toMatchObject({
    action: 'orphan.delete',
    outcome: 'succeeded',
    detail: 'deleted database/own/ten_1; left instance/ten_2, nothing',
  });
});

test.each([
  [{}, 'ids', 'is missing; expected 1 to 500 ids of GET /v1/orphans'],
  [{ ids: [] }, 'ids', 'is []; expected 1 to 500 ids of GET /v1/orphans'],
  [{ ids: ['port/9200', 7] }, 'ids.1', 'is 7; expected an id of GET /v1/orphans'],
  [{ ids: ['port/9200'], all: true }, 'all', 'is not a field of this request'],
])('the body %j is refused with its field, and removes nothing', async (body, field, description) => {
  expect(await (await remove(body)).json()).toMatchObject({ status: 422, code: 'invalid_argument', fields: [{ field, description }] });
  expect(rig.provisioner.possessions).toHaveLength(3);
  expect((await audit())[0]).toMatchObject({ action: 'orphan.delete', outcome: 'failed' });
});

test('a provisioner that is away is a 503: nobody says that there are none', async () => {
  rig.provisioner.mode = 'down';
  expect(await (await rig.ask('/v1/orphans')).json()).toMatchObject({ status: 503, code: 'unavailable' });
});
