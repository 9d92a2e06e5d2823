// What needs no token: whether the api lives, its document, the page that shows it, and the page of errors.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { errorCatalogue } from '@burgage/contracts';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { ApiEnv } from '../http/env.ts';
import { json, problemsOf } from '../schemas/responses.ts';

const ownFolder = join(import.meta.dirname, '..', 'assets');
const swaggerFolder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** Everything that the pages load, and nothing else: name -> file and type. */
const assets: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  'docs.css': { file: join(ownFolder, 'docs.css'), type: 'text/css; charset=utf-8' },
  'docs.js': { file: join(ownFolder, 'docs.js'), type: 'text/javascript; charset=utf-8' },
  'swagger-ui.css': { file: join(swaggerFolder, 'swagger-ui.css'), type: 'text/css; charset=utf-8' },
  'swagger-ui-bundle.js': { file: join(swaggerFolder, 'swagger-ui-bundle.js'), type: 'text/javascript; charset=utf-8' },
};

/** Scripts and styles come from here alone; nothing inline runs. Swagger UI draws its icons as data: images. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'healthz',
  tags: ['api'],
  summary: 'Whether the api lives',
  description: 'Answers without asking any other service.',
  security: [],
  responses: {
    200: json('It does.', z.object({ status: z.literal('ok') }).openapi('Health'), { status: 'ok' }),
    ...problemsOf(['internal']),
  },
});

/** Mounts them on `app`; `document` gives the OpenAPI document of the whole api. */
export function mountDocs(app: OpenAPIHono<ApiEnv>, document: () => object): void {
  let rendered: string | undefined;

  app.openapi(healthz, (c) => c.json({ status: 'ok' as const }, 200));
  app.get('/', (c) => c.redirect('/v1/docs'));
  app.get('/v1/openapi.json', (c) => {
    rendered ??= JSON.stringify(document());
    return c.body(rendered, 200, { 'content-type': 'application/json' });
  });
  app.get('/v1/docs', (c) => c.html(docsPage, 200, { 'content-security-policy': pagePolicy }));
  app.get('/v1/docs/errors', (c) => c.html(errorsPage(), 200, { 'content-security-policy': pagePolicy }));
  app.get('/v1/docs/assets/:name', async (c) => {
    const name = c.req.param('name');
    const asset = Object.hasOwn(assets, name) ? assets[name] : undefined;
    if (asset === undefined) return c.notFound();
    return c.body(await readFile(asset.file), 200, { 'content-type': asset.type, 'cache-control': 'public, max-age=3600' });
  });
}

const head = (title: string, more: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><link rel="icon" href="data:,">${more}<link rel="stylesheet" href="/v1/docs/assets/docs.css"></head>`;

const docsPage = `${head('Burgage API', '<link rel="stylesheet" href="/v1/docs/assets/swagger-ui.css">')}
<body><div id="docs"></div><noscript><p>This page needs JavaScript; the document itself is at <a href="/v1/openapi.json">/v1/openapi.json</a>.</p></noscript>
<script src="/v1/docs/assets/swagger-ui-bundle.js"></script><script src="/v1/docs/assets/docs.js"></script></body></html>`;

/** Every error of the catalogue, each at its own anchor: where the `help` of a problem leads. */
function errorsPage(): string {
  const sections = Object.entries(errorCatalogue).map(
    ([code, { sentence, advice, http, retry }]) =>
      `<section id="${code}"><h2><a href="#${code}">${code}</a> <small>${http}${retry ? ', may be retried' : ''}</small></h2><p>${escaped(sentence)}</p><p><b>What to do:</b> ${escaped(advice)}</p></section>`,
  );
  return `${head('Errors of Burgage', '')}<body class="errors"><main><p><a href="/v1/docs">Burgage API</a></p><h1>Errors</h1>${sections.join('\n')}</main></body></html>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
