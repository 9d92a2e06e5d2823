// Listing, reading and following operations, through real HTTP and real gRPC.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';
import { AuditPageSchema } from '../schemas/audit.ts';
import { OperationPageSchema, OperationSchema, ProgressSchema } from '../schemas/operations.ts';
import { OperationAnswerSchema } from '../schemas/tenant-changes.ts';
import type { SignUpAnswer } from '../schemas/tenants.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.stop());

async function signUp(company: string): Promise<SignUpAnswer> {
  const response = await rig.ask('/v1/tenants', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ company, plan: 'trial', owner: 'owner@acme.test' }),
  });
  return (await response.json()) as SignUpAnswer;
}

interface Event {
  event?: string;
  id?: string;
  data?: string;
}

/** The events of a whole stream, as an EventSource would see them. */
function eventsIn(text: string): Event[] {
  return text
    .split('\n\n')
    .map(
      (block) =>
        Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])) as Event,
    )
    .filter(({ event }) => event !== undefined);
}

const progressOf = (id: string, lastEventId?: string) =>
  rig.ask(`/v1/operations/${id}/progress`, lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } });

test('an operation is read with its steps in order', async () => {
  const { operation } = await signUp('Acme');
  const read = OperationSchema.strict().parse(await (await rig.ask(`/v1/operations/${operation.id}`)).json());
  expect(read).toMatchObject({ state: 'succeeded', kind: 'provision', tenant: { slug: 'acme' } });
  expect(read.steps.map(({ name }) => name)).toEqual([
    'slug',
    'database',
    'files',
    'certificate',
    'dns',
    'route',
    'owner',
    'health',
    'activate',
    'mail',
  ]);
  expect(read.steps.find(({ name }) => name === 'dns')?.state).toBe('not_needed');
});

test('an operation that failed says why, on itself and on its step', async () => {
  rig.provisioner.failingStep = 'health';
  const { operation } = await signUp('Acme');
  const read = OperationSchema.parse(await (await rig.ask(`/v1/operations/${operation.id}`)).json());
  const error = { code: 'app_unhealthy', message: 'The application did not become healthy for this tenant.' };
  expect(read).toMatchObject({ state: 'failed', error });
  expect(read.steps.filter((step) => step.error !== undefined)).toMatchObject([{ name: 'health', state: 'undone', error }]);
});

test('operations are listed newest first, and those of one tenant by its slug or id', async () => {
  const { tenant } = await signUp('One');
  await signUp('Two');
  const all = OperationPageSchema.strict().parse(await (await rig.ask('/v1/operations?pageSize=1')).json());
  expect(all.items.map((operation) => operation.tenant.slug)).toEqual(['two']);
  expect(all.next).toBeDefined();
  for (const name of ['one', tenant.id]) {
    const some = OperationPageSchema.parse(await (await rig.ask(`/v1/operations?tenant=${name}`)).json());
    expect(some.items.map((operation) => operation.tenant.slug)).toEqual(['one']);
  }
  expect(await (await rig.ask('/v1/operations?tenant=nobody')).json()).toMatchObject({ status: 404, code: 'tenant_not_found' });
});

test('unknown operations are a 404, followed or read', async () => {
  for (const path of ['/v1/operations/op_nothing', '/v1/operations/op_nothing/progress']) {
    expect(await (await rig.ask(path)).json()).toMatchObject({ status: 404, code: 'operation_not_found' });
  }
});

test('a stream of progress has every entry once, in order, under its sequence, and ends with the operation', async () => {
  const { operation } = await signUp('Acme');
  const response = await progressOf(operation.id);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(response.headers.get('cache-control')).toMatch(/no-cache|no-store/);
  const events = eventsIn(await response.text());
  const entries = events.slice(0, -1);
  expect(entries.map(({ event }) => event)).toEqual(entries.map(() => 'progress'));
  expect(entries.map(({ id }) => id)).toEqual(entries.map((_, i) => String(i + 1)));
  for (const { data, id } of entries) expect(String(ProgressSchema.strict().parse(JSON.parse(data ?? '')).sequence)).toBe(id);
  const end = events.at(-1);
  expect(end?.event).toBe('end');
  expect(OperationSchema.strict().parse(JSON.parse(end?.data ?? ''))).toMatchObject({ id: operation.id, state: 'succeeded' });
  expect(end?.id).toBe(entries.at(-1)?.id);
});

test('a reader that comes back with Last-Event-ID gets what it missed and nothing twice', async () => {
  const { operation } = await signUp('Acme');
  const whole = eventsIn(await (await progressOf(operation.id)).text());
  const rest = eventsIn(await (await progressOf(operation.id, '5')).text());
  expect(rest).toEqual(whole.slice(5));
  expect(await (await progressOf(operation.id, 'x')).json()).toMatchObject({ status: 422, fields: [{ field: 'Last-Event-ID' }] });
});

test('entries arrive while the operation runs', async () => {
  rig.provisioner.mode = 'by_hand';
  const { operation } = await signUp('Acme');
  const response = await progressOf(operation.id);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const readUntil = async (wanted: string) => {
    for (let i = 0; i < 200 && !text.includes(wanted); i++) text += (await reader?.read())?.value ?? '';
    expect(text).toContain(wanted);
  };
  rig.provisioner.advance(operation.id);
  await readUntil('"step":"slug","attempt":1,"stepState":"done"');
  expect(text).not.toContain('event: end');
  while (rig.provisioner.advance(operation.id));
  await readUntil('event: end');
});

test('a stream that the provisioner breaks off stops without an end', async () => {
  rig.provisioner.entriesPerStream = 3;
  const { operation } = await signUp('Acme');
  const events = eventsIn(await (await progressOf(operation.id)).text());
  expect(events.map(({ id, event }) => [id, event])).toEqual([
    ['1', 'progress'],
    ['2', 'progress'],
    ['3', 'progress'],
  ]);
});

test('a drain ends streams without an end, so that their readers come back elsewhere', async () => {
  rig.provisioner.mode = 'by_hand';
  const { operation } = await signUp('Acme');
  rig.provisioner.advance(operation.id);
  const response = await progressOf(operation.id);
  const text = response.text();
  await rig.api.drain?.();
  expect(eventsIn(await text).some(({ event }) => event === 'end')).toBe(false);
});

test('a reader that goes away frees its stream', async () => {
  rig.provisioner.mode = 'by_hand';
  const { operation } = await signUp('Acme');
  const gone = new AbortController();
  const response = await rig.ask(`/v1/operations/${operation.id}/progress`, { signal: gone.signal });
  await response.body?.getReader().read();
  const open = async () => (await rig.metrics.registry.getSingleMetric('burgage_api_progress_streams')?.get())?.values[0]?.value;
  expect(await open()).toBe(1);
  gone.abort();
  await expect.poll(open).toBe(0);
});

test('asking for the head of a stream opens none', async () => {
  rig.provisioner.mode = 'by_hand';
  const { operation } = await signUp('Acme');
  const response = await rig.ask(`/v1/operations/${operation.id}/progress`, { method: 'HEAD' });
  expect(response.status).toBe(200);
  await expect
    .poll(async () => (await rig.metrics.registry.getSingleMetric('burgage_api_progress_streams')?.get())?.values[0]?.value)
    .toBe(0);
});

test('an operation says from which step on it only goes forward, and what it waits for', async () => {
  const { tenant } = await signUp('Acme');
  const asked = await rig.ask('/v1/tenants/acme/terminate', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ confirm: 'acme' }),
  });
  const { operation } = OperationAnswerSchema.strict().parse(await asked.json());
  expect(operation).toMatchObject({ kind: 'terminate', summary: 'after 7 days', pointOfNoReturn: 'route', pastReturn: false });
  const grace = operation.steps.find(({ name }) => name === 'grace');
  expect(grace).toMatchObject({ state: 'waiting', detail: `nothing is removed before ${operation.dueAt}` });
  expect(await (await rig.ask(`/v1/tenants/${tenant.id}`)).json()).toMatchObject({ state: 'terminating', operationId: operation.id });
});

const intervene = (id: string, verb: 'cancel' | 'retry') => rig.ask(`/v1/operations/${id}/${verb}`, { method: 'POST' });
const audit = async () => AuditPageSchema.parse(await (await rig.ask('/v1/audit')).json()).items;

test('an operation is cancelled before its point of no return: its stream ends, and the audit says whose it was', async () => {
  rig.provisioner.mode = 'by_hand';
  const { operation } = await signUp('Acme');
  rig.provisioner.advance(operation.id);
  const stream = progressOf(operation.id);
  const response = await intervene(operation.id, 'cancel');
  expect([response.status, response.headers.get('location')]).toEqual([202, `/v1/operations/${operation.id}`]);
  expect(OperationAnswerSchema.strict().parse(await response.json()).operation).toMatchObject({ id: operation.id, state: 'cancelled' });
  const end = eventsIn(await (await stream).text()).at(-1);
  expect([end?.event, JSON.parse(end?.data ?? '').state]).toEqual(['end', 'cancelled']);
  expect((await audit())[0]).toMatchObject({
    action: 'operation.cancel',
    target: operation.id,
    targetName: 'acme',
    detail: 'provision',
    outcome: 'succeeded',
  });
});

test('after it, cancelling is refused; what has nothing to try again is not retried; the audit has both', async () => {
  const { operation } = await signUp('Acme');
  expect(await (await intervene(operation.id, 'cancel')).json()).toMatchObject({ status: 409, code: 'cancel_too_late' });
  expect(await (await intervene(operation.id, 'retry')).json()).toMatchObject({ status: 409, code: 'retry_not_possible' });
  expect((await audit()).slice(0, 2).map(({ action, target, code }) => [action, target, code])).toEqual([
    ['operation.retry', operation.id, 'retry_not_possible'],
    ['operation.cancel', operation.id, 'cancel_too_late'],
  ]);
});

test('an operation that needs attention goes on when it is told to', async () => {
  rig.provisioner.attentionStep = 'health';
  const { operation } = await signUp('Acme');
  expect(OperationSchema.parse(await (await rig.ask(`/v1/operations/${operation.id}`)).json())).toMatchObject({
    state: 'needs_attention',
    attention: 'Look at the log of the application, then have it tried again.',
  });
  const response = await intervene(operation.id, 'retry');
  expect(response.status).toBe(202);
  expect(OperationAnswerSchema.strict().parse(await response.json()).operation.state).toBe('succeeded');
});

test('nothing can be asked of an operation that there is not', async () => {
  for (const verb of ['cancel', 'retry'] as const) {
    expect(await (await intervene('op_nothing', verb)).json()).toMatchObject({ status: 404, code: 'operation_not_found' });
    expect((await audit())[0]).toMatchObject({ action: `operation.${verb}`, outcome: 'failed', code: 'operation_not_found' });
  }
});
