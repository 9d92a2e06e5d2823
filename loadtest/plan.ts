// How much is asked for in a load test: who, how many, for how long.

export interface Plan {
  /** With a host each; the first is the noisy one. */
  readonly tenants: number;
  /** Who look at pages and write notes, with a pause of two seconds on average. */
  readonly users: number;
  /** Open WebSockets, each with a message a second. */
  readonly sockets: number;
  /** Clients that upload 1 MB every second or two. */
  readonly uploaders: number;
  /** Clients that ask for what takes long and leave. */
  readonly leavers: number;
  /** What the plan of every tenant allows; the noisy one sends ten times as much. */
  readonly requestsPerSecond: number;
  /** Until all users are there. */
  readonly rampS: number;
  /** With all users; in its second half the noisy tenant sends. */
  readonly holdS: number;
  /** As k6 has them. */
  readonly thresholds: Thresholds;
}

export type Thresholds = Readonly<Record<string, readonly string[]>>;

/** What must hold on any machine, however busy. */
const correct: Thresholds = { wrong: ['count==0'], http_req_failed: ['rate==0'], checks: ['rate==1'] };

export const fullPlan: Plan = {
  tenants: 500,
  users: 1_000,
  sockets: 200,
  uploaders: 10,
  leavers: 5,
  requestsPerSecond: 50,
  rampS: 30,
  holdS: 120,
  thresholds: { ...correct, through_ms: ['p(95)<200'], added_ms: ['p(99)<20'] },
};

/** For a machine that does other things too: nothing may be wrong, and no time is judged. */
export const shortPlan: Plan = {
  ...fullPlan,
  tenants: 50,
  users: 60,
  sockets: 20,
  uploaders: 2,
  leavers: 2,
  requestsPerSecond: 20,
  rampS: 2,
  holdS: 10,
  thresholds: correct,
};

/** Half of the users of the load test, for long. */
export function soakPlan(holdS: number): Plan {
  return {
    ...fullPlan,
    users: fullPlan.users / 2,
    sockets: fullPlan.sockets / 2,
    uploaders: fullPlan.uploaders / 2,
    holdS,
    thresholds: correct,
  };
}
