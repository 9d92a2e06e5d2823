import { afterAll, beforeAll, expect, test } from 'vitest';
import { cookie, startDesk, type TestDesk } from './testing.ts';

const tenant = 'ten_one';
let desk: TestDesk;
let session: string;
beforeAll(async () => {
  desk = await startDesk();
  session = await desk.prepareSignedIn(tenant);
});
afterAll(async () => {
  await desk[Symbol.asyncDispose]();
  expect(desk.errors).toEqual([]);
});
const get = (path: string) => desk.visit(tenant, path, cookie(session));
const post = (path: string, form: Record<string, string>) =>
  desk.visit(tenant, path, { form, headers: { cookie: `desk_session=${session}` } });
const idOn = async (path: string): Promise<string> =>
  /href="\/(?:contacts|deals)\/([0-9a-f]{32})"/.exec((await get(path)).text)?.[1] ?? 'none';

test('the front page is in the name and colour of the company, for everybody', async () => {
  const { status, text } = await desk.visit(tenant, '/');
  expect(status).toBe(200);
  expect(text).toContain('<h1>Company &lt;ten_one&gt; &amp; Co</h1>');
  expect(text).toContain('--brand: #0f766e');
  expect(text).toContain('href="/sign-in"');
});

test('pages that need a sign-in lead there, and those that do not lead on to the overview', async () => {
  for (const path of ['/dashboard', '/contacts', '/deals', '/contacts/x']) {
    const answer = await desk.visit(tenant, path);
    expect([answer.status, answer.headers.location], path).toEqual([303, '/sign-in']);
  }
  for (const path of ['/', '/sign-in']) expect((await get(path)).headers.location, path).toBe('/dashboard');
});

test('no script can run and no frame hold a page: the policy names one style sheet, another one each time', async () => {
  const policies = new Set<string>();
  for (const path of ['/dashboard', '/contacts', '/deals', '/nowhere']) {
    const { headers, text } = await get(path);
    const policy = String(headers['content-security-policy']);
    const [, nonce] = /style-src 'nonce-([0-9a-f]{32})'/.exec(policy) ?? [];
    expect(policy).toBe(`default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`);
    expect(text).toContain(`<style nonce="${nonce}">`);
    expect(headers['cache-control']).toBe('no-store');
    policies.add(policy);
  }
  expect(policies.size).toBe(4);
});

test('contacts and deals are added, changed and deleted by forms, and every text is escaped', async () => {
  const evil = `<script>alert("1")</script>'&`;
  expect((await post('/contacts', { name: evil, company: evil, email: '', phone: '', notes: evil })).headers.location).toBe('/contacts');
  const contactId = await idOn('/contacts');
  expect((await post('/deals', { title: evil, amount: '1,234.50', stage: 'proposal', contactId })).headers.location).toBe('/deals');
  const dealId = await idOn('/deals');
  for (const path of [
    '/dashboard',
    '/contacts',
    `/contacts/${contactId}`,
    '/deals',
    `/deals/${dealId}`,
    `/contacts?q=${encodeURIComponent('"><script>')}`,
  ]) {
    const { status, text } = await get(path);
    expect(status, path).toBe(200);
    expect(text, path).not.toContain('<script');
  }
  expect((await get('/dashboard')).text).toContain('$1,234.50');
  expect((await get(`/deals/${dealId}`)).text).toContain('value="1234.50"');
  expect((await post(`/deals/${dealId}`, { title: 'Solar', amount: '2000', stage: 'won', contactId: '' })).status).toBe(303);
  expect((await get('/dashboard')).text).toContain('<dt>Won</dt><dd>$2,000</dd>');
  expect((await post(`/contacts/${contactId}`, { name: 'Anna', email: 'anna@example.com' })).status).toBe(303);
  expect((await get('/contacts?q=anna')).text).toContain('mailto:anna@example.com');
  for (const path of [`/contacts/${contactId}`, `/deals/${dealId}`]) {
    expect((await post(`${path}/delete`, {})).status).toBe(303);
    expect((await get(path)).status).toBe(404);
  }
});

test('a form that is not valid comes back with what was typed and what was wrong, tied to its field', async () => {
  const contact = await post('/contacts', { name: 'Anna', email: 'nobody' });
  expect(contact.status).toBe(422);
  expect(contact.text).toContain('value="nobody"');
  expect(contact.text).toMatch(/id="email"[^>]* aria-describedby="email-wrong" aria-invalid="true"/);
  expect(contact.text).toContain('<p class="wrong" id="email-wrong">');
  for (const amount of ['', 'much', '-1', '1.234', '99999999999']) {
    const deal = await post('/deals', { title: 'x', amount, stage: 'lead', contactId: '' });
    expect([deal.status, deal.text.includes('id="amount-wrong"')], amount).toEqual([422, true]);
  }
  expect((await get('/contacts')).text).toContain('Nobody yet');
});

test('lists go on page by page', async () => {
  for (let index = 0; index < 26; index += 1) {
    desk.advance(1_000);
    await post('/contacts', { name: `Person ${index}` });
  }
  const { text } = await get('/contacts?q=person');
  expect(text).not.toContain('Person 0<');
  const older = /href="(\/contacts\?q=person&amp;cursor=[^"]+)">Older/.exec(text)?.[1]?.replace('&amp;', '&') ?? '';
  expect((await get(older)).text).toContain('Person 0<');
});

test('every field has a label, and a page has one main heading and its language', async () => {
  for (const path of ['/contacts', '/deals', '/sign-in']) {
    const { text } = path === '/sign-in' ? await desk.visit(tenant, path) : await get(path);
    const fields = [...text.matchAll(/<(?:input|select|textarea)[^>]*>/g)].map(([tag]) => tag);
    for (const field of fields) {
      const [, id] = / id="([^"]+)"/.exec(field) ?? [];
      expect(/ aria-label=/.test(field) || text.includes(`<label for="${id}">`), field).toBe(true);
    }
    expect(text.match(/<h1/g)).toHaveLength(1);
    expect(text).toContain('<html lang="en">');
  }
});
