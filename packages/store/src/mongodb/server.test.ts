// How a MongoDB server is found, and what is refused: by name, and without a word of the credentials.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { inspect } from 'node:util';
import { describeWithLab } from '@burgage/lab';
import { describe, expect, it } from 'vitest';
import { codeOf, typeOf } from '../conformance/context.ts';
import { type MongoStoreOptions, openMongoStore } from './store.ts';
import { startOldServer } from './testing/old-server.ts';
import { WireProxy } from './testing/wire-proxy.ts';

const password = 'correct-horse';
const notes = typeOf<{ text: string }>({ name: 'notes' });

/** How opening fails; nothing of the error, whatever is looked at, holds the password. */
async function refusal(options: MongoStoreOptions): Promise<{ code: string; message: string }> {
  try {
    await (await openMongoStore(options)).close();
  } catch (error) {
    const everything = inspect(error, { depth: 20, showHidden: true, getters: true });
    for (const secret of [password, 'horse']) expect(everything).not.toContain(secret);
    if (error instanceof Error && 'code' in error) return { code: String(error.code), message: error.message };
    throw error;
  }
  return { code: 'no error', message: '' };
}

describe('an address', () => {
  it.each([
    '',
    'nonsense',
    'http://127.0.0.1/registry',
    'mongodb://',
    `mongodb://user:${password}@/registry`,
    `mongodb://user:correct@horse@127.0.0.1/registry`,
    `mongodb://user:correct/horse@127.0.0.1/registry`,
    `mongodb://user:correct%horse@127.0.0.1/registry`,
    `mongodb://user:${password}@127.0.0.1/registry?tls=perhaps`,
    `mongodb://user:${password}@127.0.0.1:port/registry`,
  ])('that is no connection string is refused: %s', async (url) => {
    expect(await refusal({ url })).toEqual({
      code: 'invalid_argument',
      message: 'url: got what is no MongoDB connection string, expected mongodb://user:password@host:27017/database, percent-encoded',
    });
  });

  it('names the database, or something else does', async () => {
    const url = 'mongodb://127.0.0.1:1';
    expect(await refusal({ url })).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(/^database: is missing/) });
    for (const bad of [`${url}/a.b`, `${url}/a%2Fb`, `${url}/${'x'.repeat(64)}`]) {
      expect(await refusal({ url: bad })).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(/^database: got "/) });
    }
  });

  it('where nobody answers is unavailable, by name', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const url = `mongodb://user:${password}@127.0.0.1:${port}`;
    expect(await refusal({ url, database: 'registry' })).toEqual({
      code: 'unavailable',
      message: expect.stringContaining(`mongodb://127.0.0.1:${port}/registry cannot be used`),
    });
  });
});

describe('a server', () => {
  it.each([
    [{ buildInfo: { version: '6.0.19', versionArray: [6, 0, 19, 0] } }, 'got MongoDB 6.0.19, expected MongoDB 7 or later'],
    [{ buildInfo: { version: '5.0.0' } }, 'got MongoDB 5.0.0, expected MongoDB 7 or later'],
    [{ buildInfo: {} }, 'got MongoDB of no version, expected MongoDB 7 or later'],
    [{ buildInfo: { version: '7.0.42', versionArray: [7, 0, 42, 0], ferretdbVersion: 'v1.23.1' } }, 'got FerretDB v1.23.1, expected'],
    [{ buildInfo: { version: '7.0.77', versionArray: [7, 0, 77, 0], ferretdb: { version: 'v2.1.0' } } }, 'got FerretDB v2.1.0, expected'],
    // So old that the driver does not speak to it.
    [{ hello: { maxWireVersion: 4 } }, 'is too old'],
  ])('that is too old is refused: %j', async (answers, message) => {
    await using old = await startOldServer(answers);
    expect(await refusal({ url: old.url, database: 'registry' })).toEqual({
      code: 'server_too_old',
      message: expect.stringContaining(message),
    });
  });
});

describeWithLab('an address that asks for less than Burgage promises', [{ server: 'mongo', options: { fsync: false } }], (lab) => {
  it('changes nothing of what is promised', async () => {
    const proxy = await WireProxy.start(lab.server('mongo'));
    const less = 'w=1&journal=false&wtimeoutMS=1&readConcernLevel=local&readPreference=secondary&retryWrites=true';
    const store = await openMongoStore({ url: `${proxy.url}/less?${less}` });
    const documents = store.documents(notes);
    await documents.get('n');
    const commands = [proxy.next('find', 'documents_notes'), proxy.next('insert', 'documents_notes')];
    await documents.get('n');
    await documents.insert('n', { text: 'x' });
    const [find, insert] = await Promise.all(commands);
    expect(find).toMatchObject({ readConcern: { level: 'majority' } });
    expect(insert?.writeConcern).toEqual({ w: 'majority', j: true });
    expect(insert).not.toHaveProperty('txnNumber');
    await store.close();
    await proxy.close();
  });
});

describeWithLab('a server that wants credentials', [{ server: 'mongo', options: { user: 'burgage', password, fsync: false } }], (lab) => {
  it('is used with them, and refuses others and none by name', async () => {
    const { host, port } = lab.server('mongo');
    const at = `${host}:${port}/registry`;
    const lines: unknown[] = [];
    const say = (...line: unknown[]) => lines.push(line);
    const logger = { info: say, warn: say };
    const store = await openMongoStore({ url: `mongodb://burgage:${password}@${at}?authSource=admin`, logger });
    await store.documents(notes).insert('n', { text: 'x' });
    await store.close();
    expect(await codeOf(store.ping())).toBe('unavailable');
    expect(inspect(lines, { depth: 20 })).toMatch(/FerretDB v2/);
    expect(inspect(lines, { depth: 20 })).not.toContain(password);

    for (const credentials of ['burgage:wrong-horse@', `nobody:${password}@`, '']) {
      expect(await refusal({ url: `mongodb://${credentials}${at}?authSource=admin` })).toEqual({
        code: 'credentials_refused',
        message: expect.stringContaining(`mongodb://${at} refuses the credentials`),
      });
    }
  });
});

describeWithLab('a database', [{ server: 'mongo', options: { fsync: false } }], (lab) => {
  it('is the one in the path of the address, and beside it where there is none', async () => {
    const { url } = lab.server('mongo');
    const named = await openMongoStore({ url: `${url}/named`, database: 'other' });
    await named.documents(notes).insert('n', { text: 'named' });
    const beside = await openMongoStore({ url, database: 'named' });
    expect((await beside.documents(notes).get('n'))?.value.text).toBe('named');
    const other = await openMongoStore({ url, database: 'other' });
    expect(await other.documents(notes).get('n')).toBeUndefined();
    await Promise.all([named, beside, other].map((store) => store.close()));
  });
});
