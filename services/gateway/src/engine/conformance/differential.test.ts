// The engine beside nginx, HAProxy and the oracle, byte for byte: nothing passes here alone without a reason that is written down.
import { describeWithLab } from '@burgage/lab';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnswerCase, answerCases } from '../../testing/differential/answer-corpus.ts';
import { compare, type Difference } from '../../testing/differential/comparison.ts';
import { gatewayLanes, haproxyConfig, nginxHttp, serverLanes, startBackends } from '../../testing/differential/contestants.ts';
import {
  answered,
  answersOf,
  answerVerdict,
  exchange,
  forwarded,
  type Seen,
  sentinel,
  statusOf,
  verdict,
} from '../../testing/differential/exchange.ts';
import {
  answerExplanations,
  type Explanation,
  type PeerName,
  reasons,
  reasonTold,
  requestExplanations,
} from '../../testing/differential/explanations.ts';
import { headFaults, valuesOf } from '../../testing/differential/message-reader.ts';
import { plainAnswer, type RecordingBackend } from '../../testing/differential/recording-backend.ts';
import { requestCases } from '../../testing/differential/request-corpus.ts';
import { run } from '../../testing/differential/run.ts';
import { strictnessPage } from '../../testing/differential/strictness-page.ts';
import { broken } from '../../testing/http-arbitraries.ts';
import { createOracle } from '../../testing/oracle/oracle.ts';
import { createHttp1Engine } from '../http1/engine.ts';

const lanesEach = 8;
const peers = ['oracle', 'nginx', 'haproxy'] as const satisfies readonly PeerName[];
type Name = 'ours' | PeerName;

/** The same in every run: a difference that is found once is found again. */
const seed = 6;
const longestBroken = 400;

/** Texts that are like these, but for up to three places. */
function brokenOf(texts: readonly string[], count: number): string[] {
  const short = texts.filter((text) => text !== '' && text.length < longestBroken);
  const made = fc.sample(broken(fc.constantFrom(...short)), { seed, numRuns: 2 * count });
  return [...new Set(made)].filter((text) => !texts.includes(text)).slice(0, count);
}

const requestTexts = [
  ...requestCases.map(({ text }) => text),
  ...brokenOf(
    requestCases.map(({ text }) => text),
    600,
  ),
];
const brokenAnswers = brokenOf(
  answerCases.map(({ text }) => text),
  300,
).map((text): Omit<AnswerCase, 'section' | 'ours'> => ({ name: JSON.stringify(text), request: 'GET / HTTP/1.1', text, ends: true }));
const allAnswers = [...answerCases, ...brokenAnswers];
const methodOf = (request: string): string => request.slice(0, request.indexOf(' '));

let backends: Record<Name, RecordingBackend[]>;
beforeAll(async () => {
  const [ours, oracle, nginx, haproxy] = await Promise.all([1, 2, 3, 4].map(() => startBackends(lanesEach)));
  backends = { ours, oracle, nginx, haproxy } as Record<Name, RecordingBackend[]>;
});
afterAll(() => {
  for (const backend of Object.values(backends).flat()) backend.close();
});

const servers = [
  { server: 'nginx', options: { main: 'worker_processes 1;', http: (site) => nginxHttp(site, backends.nginx) } },
  { server: 'haproxy', options: { config: (site) => haproxyConfig(site, backends.haproxy) } },
] as const satisfies Parameters<typeof describeWithLab>[1];

describeWithLab('beside nginx and HAProxy', servers, (lab) => {
  let requests: Record<Name, Seen[]>;
  let answers: Record<Name, Seen[]>;

  beforeAll(async () => {
    const lanes = {
      ours: await gatewayLanes(createHttp1Engine, backends.ours),
      oracle: await gatewayLanes(createOracle, backends.oracle),
      nginx: serverLanes(lab.server('nginx').port, backends.nginx),
      haproxy: serverLanes(lab.server('haproxy').port, backends.haproxy),
    };
    requests = await run(lanes, requestTexts, (lane, text) => exchange(lane, text + sentinel));
    answers = await run(lanes, allAnswers, (lane, answer) => {
      lane.backend.answerWith(({ line }) => (line.includes('/sentinel') ? plainAnswer : answer));
      return exchange(lane, `${answer.request}\r\nHost: acme.test\r\n\r\n${sentinel}`);
    });
  }, 300_000);

  interface Found {
    readonly peer: PeerName;
    readonly difference: Difference;
    readonly text: string;
    readonly request?: string;
  }

  /** Differences without an explanation, and explanations without a difference. */
  function unexplained(found: readonly Found[], explanations: readonly Explanation[]): { unexplained: object[]; unseen: string[] } {
    const explains = (one: Explanation, { peer, difference, text, request }: Found): boolean =>
      one.peers.includes(peer) && one.difference === difference && one.when(text, request);
    return {
      unexplained: found.filter((one) => !explanations.some((explanation) => explains(explanation, one))),
      unseen: explanations.filter((explanation) => !found.some((one) => explains(explanation, one))).map(({ why }) => why),
    };
  }

  const isPassedHere = ({ difference }: Found): boolean => difference === 'ours alone' || difference === 'otherwise';

  describe('a request', () => {
    const differences = (): Found[] =>
      peers.flatMap((peer) =>
        requestTexts.map((text, i) => {
          const [ours, theirs] = [requests.ours[i] as Seen, requests[peer][i] as Seen];
          return { peer, difference: compare(forwarded(ours), forwarded(theirs)), text, ours: forwarded(ours), theirs: forwarded(theirs) };
        }),
      );

    it('that is written by hand passes or is refused as its line says', () => {
      const made = requestCases.map(
        ({ section, name }, i) => `${section}, ${name}: ${verdict(requests.ours[i] as Seen).split(/,| as/)[0]}`,
      );
      expect(made).toEqual(requestCases.map(({ section, name, ours }) => `${section}, ${name}: ${ours}`));
    });

    it('that nginx, HAProxy or the oracle refuses is not forwarded, nor is another one than they forward, but for what is explained', () => {
      expect(unexplained(differences().filter(isPassedHere), requestExplanations)).toEqual({ unexplained: [], unseen: [] });
    });

    it('that they forward is refused for a reason that is explained', () => {
      const told = differences().flatMap(({ difference, text }) => {
        if (difference !== 'theirs alone') return [];
        const { received } = requests.ours[requestTexts.indexOf(text)] as Seen;
        return [{ text, reason: reasonTold(received) ?? received }];
      });
      const isOf = (says: RegExp, { reason }: { reason: string }): boolean => says.test(reason);
      expect(told.filter((one) => !reasons.some(({ says }) => isOf(says, one)))).toEqual([]);
      expect(reasons.filter(({ says }) => !told.some((one) => isOf(says, one)))).toEqual([]);
    });

    it('is forwarded well-formed to the letter, once, and answered once', () => {
      const faults = requests.ours.flatMap((seen, i) => {
        const fromApp = seen.received.match(/^x-app: /gim) ?? [];
        const wrong = seen.requests.flatMap((request) => headFaults('request', request));
        if (fromApp.length !== seen.requests.length) wrong.push(`${seen.requests.length} forwarded, ${fromApp.length} answered`);
        return wrong.length === 0 ? [] : [{ text: requestTexts[i], wrong }];
      });
      expect(faults).toEqual([]);
    });
  });

  describe('an answer', () => {
    const passedOn = (seen: Seen, request: string): string[] => answered(seen, methodOf(request)).filter((one) => / with |^a 1/.test(one));
    const differences = (): Found[] =>
      peers.flatMap((peer) =>
        allAnswers.map(({ text, request }, i) => {
          const [ours, theirs] = [passedOn(answers.ours[i] as Seen, request), passedOn(answers[peer][i] as Seen, request)];
          return { peer, difference: compare(ours, theirs), text, request, ours, theirs };
        }),
      );

    it('that is written by hand passes or does not as its line says', () => {
      const made = answerCases.map(({ section, name, request }, i) => {
        return `${section}, ${name}: ${answered(answers.ours[i] as Seen, methodOf(request))
          .map((one) => one.replace(/^\d+ with .*/s, 'passes'))
          .at(-1)}`;
      });
      expect(made).toEqual(answerCases.map(({ section, name, ours }) => `${section}, ${name}: ${ours}`));
    });

    it('that nginx, HAProxy or the oracle does not pass on is not passed on, nor is another one than they do, but for what is explained', () => {
      expect(unexplained(differences().filter(isPassedHere), answerExplanations)).toEqual({ unexplained: [], unseen: [] });
    });

    it('reaches the client well-formed to the letter, and as the one answer to its request', () => {
      const faults = allAnswers.flatMap(({ text, request }, i) => {
        const { whole, rest } = answersOf(answers.ours[i] as Seen, methodOf(request));
        const wrong = whole.flatMap((message) => headFaults('answer', message));
        const finals = whole.filter((message) => statusOf(message) >= 200);
        if (rest === 'no answer' || finals.length > 2) wrong.push(`${finals.length} answers to two requests, then ${rest}`);
        // The second is the sentinel's own, whatever the first one said.
        if (finals[1] !== undefined && valuesOf(finals[1].fields, 'x-app').length === 0 && statusOf(finals[1]) < 500)
          wrong.push('an answer to another request');
        return wrong.length === 0 ? [] : [{ text, wrong }];
      });
      expect(faults).toEqual([]);
    });
  });

  it('every case by hand is on the page', async () => {
    const requestRows = requestCases.map(({ section, name }, i) => {
      const of = (peer: Name): string => verdict(requests[peer][i] as Seen);
      return { section, name, ours: of('ours'), nginx: of('nginx'), haproxy: of('haproxy') };
    });
    const answerRows = answerCases.map(({ section, name, request }, i) => {
      const of = (peer: Name): string => answerVerdict(answered(answers[peer][i] as Seen, methodOf(request)));
      return { section, name, ours: of('ours'), nginx: of('nginx'), haproxy: of('haproxy') };
    });
    const page = strictnessPage({ requests: requestRows, answers: answerRows, requestExplanations, answerExplanations });
    await expect(page).toMatchFileSnapshot('../../../../../docs/strictness.md');
  });
});
