// What users of many tenants do at once, by k6: reads, pages, notes, uploads, WebSockets, one tenant far beyond its limit, clients that leave.
//
// $LOADTEST is the plan as JSON: see plan.ts. Names are never resolved: k6 dials loopback and says the tenant's name as Host.
import { check, sleep } from 'k6';
import { sha256 } from 'k6/crypto';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';

const plan = JSON.parse(__ENV.LOADTEST);
const { tenants, users, sockets, uploaders, leavers, requestsPerSecond, rampS, holdS, thresholds } = plan;
/** The last part of the time: the noisy tenant sends. */
const noisyFromS = rampS + holdS / 2;
const endS = rampS + holdS;
const noisyTenant = 0;
const longestPauseS = 4;
/** Of what users ask for; the same again straight at the app, before or after. */
const askedTwice = 0.2;
const uploadBytes = 1024 * 1024;
const messagePauseMs = 1_000;
const lastMessageMs = 10_000;

const throughMs = new Trend('through_ms');
const straightMs = new Trend('straight_ms');
const addedMs = new Trend('added_ms');
const quietBeforeMs = new Trend('quiet_before_ms');
const quietDuringMs = new Trend('quiet_during_ms');
const uploadMs = new Trend('upload_ms');
const wrong = new Counter('wrong');
const noisyServed = new Counter('noisy_served');
const noisyRefused = new Counter('noisy_refused');
const messages = new Counter('messages');

const held = { startTime: `${rampS}s`, duration: `${holdS}s`, gracefulStop: '5s' };

export const options = {
  hosts: { '*.load.test': '127.0.0.1' },
  // Sent by whoever made the plan, so that a short run on a busy machine can ask for correctness alone.
  thresholds,
  summaryTrendStats: ['count', 'med', 'p(95)', 'p(99)', 'max'],
  systemTags: ['scenario', 'status', 'error_code'],
  setupTimeout: '10s',
  scenarios: {
    users: {
      executor: 'ramping-vus',
      exec: 'user',
      startVUs: 1,
      stages: [
        { duration: `${rampS}s`, target: users },
        { duration: `${holdS}s`, target: users },
      ],
      gracefulRampDown: '5s',
      gracefulStop: '5s',
    },
    sockets: { executor: 'per-vu-iterations', exec: 'socket', vus: sockets, iterations: 1, startTime: '0s', maxDuration: `${endS + 20}s` },
    uploaders: { executor: 'constant-vus', exec: 'upload', vus: uploaders, ...held },
    leavers: { executor: 'constant-vus', exec: 'leave', vus: leavers, ...held },
    noisy: {
      executor: 'constant-arrival-rate',
      exec: 'noise',
      rate: 10 * requestsPerSecond,
      timeUnit: '1s',
      preAllocatedVUs: 20,
      maxVUs: 100,
      startTime: `${noisyFromS}s`,
      duration: `${holdS / 2}s`,
      gracefulStop: '5s',
    },
  },
};

const body = 'x'.repeat(uploadBytes);
let bodySha256;

function hostOf(tenant) {
  return `t${String(tenant).padStart(4, '0')}`;
}

/** Quiet ones only. */
function tenantOfUser() {
  return 1 + (exec.vu.idInTest % (tenants - 1));
}

/** @param at `gateway` or `app` */
function url(at, host, path) {
  return `http://${host}.load.test:${plan[at].split(':')[1]}${path}`;
}

/** Counts what is not as it should be, and says the first few of it. */
function expect(what, isRight, response) {
  if (check(response, { [what]: () => isRight })) return;
  wrong.add(1);
  console.error(`${what}: got ${response.status} ${response.error} ${String(response.body).slice(0, 200)}`);
}

function isFor(response, host) {
  return response.status === 200 && response.body !== null && response.body.includes(host);
}

// Users do as chance has it, and chance is k6's: what is asserted holds for whatever they do, and no run has to be like another.

/** A user looks at things and writes one down now and then; what it wrote is what it reads. */
export function user() {
  const host = hostOf(tenantOfUser());
  const draw = Math.random();
  if (draw < 0.15) write(host);
  else ask(host, draw < 0.25 ? '/page' : '/items');
  sleep(Math.random() * longestPauseS);
}

function ask(host, path) {
  if (Math.random() >= askedTwice) {
    through(host, path);
    return;
  }
  // In either order, so that neither finds the other's caches warm more often.
  const first = Math.random() < 0.5 ? straight(host, path) : undefined;
  const took = through(host, path);
  addedMs.add(took - (first ?? straight(host, path)));
}

/** Through the gateway; answers with how long it took, without the making of a connection. */
function through(host, path) {
  const response = http.get(url('gateway', host, path));
  expect('a read is answered by its own tenant', isFor(response, host), response);
  note(response);
  return response.timings.duration;
}

function straight(host, path) {
  const response = http.get(url('app', host, path));
  expect('a read is answered by its own tenant', isFor(response, host), response);
  straightMs.add(response.timings.duration);
  return response.timings.duration;
}

function note({ timings }) {
  throughMs.add(timings.duration);
  const atS = exec.instance.currentTestRunDuration / 1_000;
  // Not while it is being ramped up, nor in the second in which the noise begins.
  if (atS > rampS && atS < noisyFromS) quietBeforeMs.add(timings.duration);
  else if (atS > noisyFromS + 1 && atS < endS) quietDuringMs.add(timings.duration);
}

function write(host) {
  const path = `/notes/${exec.vu.idInTest}`;
  const text = `note ${exec.vu.idInTest}-${exec.vu.iterationInInstance}`;
  const written = http.put(url('gateway', host, path), text);
  expect('a write is taken by its own tenant', isFor(written, host), written);
  note(written);
  const read = http.get(url('gateway', host, path));
  expect('what was written is read', isFor(read, host) && read.json('note') === text, read);
  note(read);
}

export function upload() {
  bodySha256 ??= sha256(body, 'hex');
  const host = hostOf(tenantOfUser());
  const response = http.post(url('gateway', host, '/upload'), body);
  const isWhole = response.status === 201 && response.json('sha256') === bodySha256 && response.json('tenant') === host;
  expect('an upload arrives whole', isWhole, response);
  uploadMs.add(response.timings.duration);
  sleep(1 + Math.random());
}

/** Asks for what takes long and does not wait for it. */
export function leave() {
  http.get(url('gateway', hostOf(tenantOfUser()), '/slow'), { timeout: '100ms', responseCallback: null });
  sleep(Math.random());
}

/** One tenant, far beyond its limit: served up to it, and told so beyond. */
export function noise() {
  const host = hostOf(noisyTenant);
  const response = http.get(url('gateway', host, '/items'), { responseCallback: http.expectedStatuses(200, 429) });
  if (response.status === 429) noisyRefused.add(1);
  else {
    expect('a noisy tenant is served or told to slow down', isFor(response, host), response);
    noisyServed.add(1);
  }
}

/** A WebSocket that stays open to the end; each message comes back. */
export function socket() {
  const host = hostOf(tenantOfUser());
  const leftMs = endS * 1_000 - exec.instance.currentTestRunDuration;
  const failed = (what) => {
    wrong.add(1);
    console.error(`WebSocket: ${what}`);
  };
  const opened = new WebSocket(url('gateway', host, '/socket').replace('http', 'ws'));
  let sent = 0;
  let received = 0;
  let isEnding = false;
  let timer;
  opened.onopen = () => {
    const say = () => opened.send(`message ${++sent}`);
    say();
    timer = setInterval(say, messagePauseMs);
    setTimeout(() => {
      isEnding = true;
      clearInterval(timer);
      // What was said last may be on its way.
      if (received === sent) opened.close();
      else setTimeout(() => opened.close(), lastMessageMs);
    }, leftMs);
  };
  opened.onmessage = ({ data }) => {
    received += 1;
    messages.add(1);
    if (data !== `${host} message ${received}`) failed(`got ${data}, expected message ${received} of ${host}`);
    if (isEnding && received === sent) opened.close();
  };
  opened.onclose = () => {
    clearInterval(timer);
    if (!isEnding) failed('closed before its time');
    else if (received !== sent) failed(`${sent} messages sent, ${received} came back`);
  };
  opened.onerror = ({ error }) => failed(error);
}

export function handleSummary(data) {
  return { [plan.summary]: JSON.stringify(data.metrics) };
}
