// Puts a gateway's explanation into lines: the answer first, then what led to it.
import type { ExplainAnswer } from '@burgage/api';
import type { Explanation } from '@burgage/gateway';
import { facts, type paint, plainText } from './render.ts';

type Answer = ExplainAnswer['gateways'][number];
type Style = ReturnType<typeof paint>;

const sources: Readonly<Record<Explanation['source'], string>> = {
  registry: 'from the registry',
  disk: 'from disk: the registry has not been reached since the start',
  file: 'from a file',
  none: 'none yet',
};

export function explanationText({ id, explanation, error }: Answer, style: Style): string {
  const title = style.bold(`gateway ${plainText(id)}`);
  if (explanation === undefined) {
    return `${title}\n${facts([['answer', error === undefined ? 'none' : `none: ${error.detail} [${error.code}]`]], style.dim)}`;
  }
  // The API hands the gateway's own words over; the gateway's type says what they are.
  const said = explanation as unknown as Explanation;
  return `${title}\n${facts([...answerFacts(said), ...tenantFacts(said), ...upstreamFacts(said)], style.dim)}`;
}

type Fact = readonly [string, string | undefined];

function answerFacts({ answer, endpoint, host, normalizedHost, match, inSync, source, revision }: Explanation): Fact[] {
  const lookedUp = normalizedHost === '' || normalizedHost === host ? host : `${host}, as ${normalizedHost}`;
  const matched =
    match.kind === 'none'
      ? match.tried.length === 0
        ? 'nothing'
        : `nothing of ${match.tried.join(', ')}`
      : `${match.pattern} (${match.kind})`;
  return [
    [
      'answer',
      `${endpoint === undefined ? answer.status : 'from the application'}: ${answer.sentence}${answer.code === undefined ? '' : ` [${answer.code}]`}`,
    ],
    ['host', lookedUp],
    ['matched', matched],
    ['routes', `revision ${revision}, ${inSync ? 'in sync' : 'not in sync'}, ${sources[source]}`],
  ];
}

function tenantFacts({ tenant }: Explanation): Fact[] {
  if (tenant === undefined) return [];
  if (tenant.platform) return [['part of', `the platform: ${tenant.id}`]];
  const { requestsPerSecond, concurrency } = tenant.limits;
  const { share } = tenant;
  return [
    ['tenant', `${tenant.slug} (${tenant.id}), ${tenant.name}`],
    ['state', tenant.holds.length === 0 ? `${tenant.state}, no holds` : `${tenant.state}, held: ${tenant.holds.join(', ')}`],
    ['plan', `${tenant.plan}, ${tenant.isolation}`],
    [
      'limits',
      `${requestsPerSecond || 'any number of'} requests a second, ${concurrency || 'any number'} at once (${tenant.inflight} now)`,
    ],
    ...(share === undefined
      ? []
      : [
          [
            'share',
            `${requestsPerSecond === 0 ? 'any number of' : share.requestsPerSecond} requests a second, ${share.concurrency || 'any number'} at once at this gateway: several share the limits`,
          ] as const,
        ]),
    ...(tenant.shedShare === undefined
      ? []
      : [['overload', `the gateway refuses ${Math.round(tenant.shedShare * 100)} % of its requests`] as const]),
    ['features', tenant.features.join(', ') || 'none'],
  ];
}

function upstreamFacts({ upstream, endpoint }: Explanation): Fact[] {
  if (upstream === undefined) return [];
  return [
    ['upstream', upstream.name],
    ...upstream.endpoints.map(({ address, healthy, inflight, zone }): Fact => {
      const notes = [
        healthy ? 'in good standing' : 'set aside after failures',
        `${inflight} in flight`,
        zone,
        address === endpoint ? 'a request would go here' : '',
      ];
      return ['endpoint', `${address} (${notes.filter((note) => note !== '').join(', ')})`];
    }),
    ...(upstream.endpoints.length === 0 ? [['endpoint', 'none'] as const] : []),
  ];
}
