// Reads a catalog: one product with its plans, out of YAML text, with every problem at its line.
import { BurgageError } from '@burgage/contracts';
import { type Document, isCollection, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { catalogSchema } from './catalog-schema.ts';
import { nearest } from './nearest.ts';
import { err, ok, type Result } from './result.ts';
import { offsetOf, type Path, pathAt } from './yaml-place.ts';

/** One product. `app.entry` is as it stands in the file after `parseCatalog`, absolute after `loadCatalog`. */
export type Catalog = z.output<typeof catalogSchema>;

/** What a tenant pays for. */
export type Plan = Catalog['plans'][string];

/** Longest catalog that is read, in characters. */
const catalogLengthMax = 256 * 1024;

interface Problem {
  readonly path: Path;
  /** Where in the text, from 0. */
  readonly offset: number;
  /** What came and what was expected. */
  readonly description: string;
}

/** Problems that a message names, one a line; the fields of the error are all of them. */
const problemsShownMax = 10;

/**
 * The catalog in `text`, or `catalog_invalid`: its message has each problem on a line as `file:line:column field: got X,
 * expected Y`, ten at most, its fields are all of them. `file` is only for those messages. Unknown and repeated keys,
 * aliases and tags are problems too: a catalog says each thing once, where it stands.
 *
 * `plans` inherits nothing, so that `plans[name]` with a name from outside finds a plan or nothing.
 */
export function parseCatalog(text: string, file: string): Result<Catalog> {
  const lines = new LineCounter();
  const outcome = readCatalog(text, lines);
  return outcome.ok ? outcome : err(refusal(outcome.error, lines, file));
}

/**
 * `catalog_invalid` for a value that stands at `path` in the text of a catalog that was read, and does not fit the world
 * around it. `expected` is what would.
 */
export function misfit(text: string, file: string, path: Path, expected: string): BurgageError {
  const lines = new LineCounter();
  const { contents } = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const value = isCollection(contents) ? contents.getIn(path) : undefined;
  return refusal([{ path, offset: offsetOf(contents, path, 'value'), description: unfit(value, expected) }], lines, file);
}

function refusal(found: readonly Problem[], lines: LineCounter, file: string): BurgageError {
  const problems = found
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ path, offset, description }) => {
      const { line, col } = lines.linePos(offset);
      return { field: fieldOf(path), place: `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`, description };
    });
  const named = problems.slice(0, problemsShownMax).map(({ field, place, description }) => `${place} ${field}: ${description}`);
  if (problems.length > named.length) named.push(`and ${problems.length - named.length} more`);
  return new BurgageError('catalog_invalid', {
    message: named.join('\n'),
    fields: problems.map(({ field, place, description }) => ({ field, description: `${place} ${description}` })),
  });
}

function readCatalog(text: string, lines: LineCounter): Result<Catalog, Problem[]> {
  if (text.length > catalogLengthMax) return err([whole(`got ${text.length} characters, expected at most ${catalogLengthMax}`)]);
  try {
    return readDocument(parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error', stringKeys: true }));
  } catch (error) {
    // Readers of YAML go one call deeper for each level.
    if (error instanceof RangeError) return err([tooDeep]);
    throw error;
  }
}

function readDocument(document: Document.Parsed): Result<Catalog, Problem[]> {
  const unreadable = syntaxProblems(document);
  if (unreadable.length > 0) return err(unreadable);
  const value: unknown = document.toJS();
  const { success, data, error } = catalogSchema.safeParse(value);
  if (!success) return err(error.issues.flatMap((issue) => schemaProblems(issue, document, value)));
  return ok({ ...data, plans: Object.assign(Object.create(null), data.plans) });
}

function whole(description: string): Problem {
  return { path: [], offset: 0, description };
}

const tooDeep = whole('got mappings and lists in too many levels, expected a catalog');

/** What the parser's errors mean for a catalog, where it says it in words of its own. */
const syntaxErrors: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'got the key twice, expected it once',
  MULTIPLE_DOCS: 'got a second document, expected one',
  NON_STRING_KEY: 'got a key that is no text, expected a name',
};

/** What is not YAML, and YAML that the schema would not see: aliases, tags, other versions, a key that JavaScript hides. */
function syntaxProblems(document: Document.Parsed): Problem[] {
  const found: Omit<Problem, 'path'>[] = [];
  const refuse = (node: unknown, description: string) => found.push({ offset: (node as Node).range?.[0] ?? 0, description });
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    if (code === 'RESOURCE_EXHAUSTION') return [tooDeep];
    const description = syntaxErrors[code] ?? `is not YAML: ${message}`;
    found.push({ offset: pos[0], description });
  }
  if (found.length === 0) {
    const { version } = document.directives.yaml;
    if (version !== '1.2') return [whole(`got YAML ${version}, expected YAML 1.2`)];
    visit(document, {
      Alias: (_, alias) => void refuse(alias, `got the alias *${alias.source}, expected the value itself`),
      Value: (_, node) => void (node.tag && refuse(node, `got the tag ${node.tag}, expected a value without a tag`)),
      Pair: (_, { key }) => void (isScalar(key) && key.value === '__proto__' && refuse(key, 'is not known here')),
    });
  }
  return found.map((problem) => ({ ...problem, path: pathAt(document.contents, problem.offset) }));
}

function schemaProblems(issue: z.core.$ZodIssue, { contents }: Document.Parsed, value: unknown): Problem[] {
  const path = issue.path.filter((segment) => typeof segment !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const hint = meant ? `did you mean ${meant}?` : `expected one of ${known.join(', ')}`;
      return { path: [...path, key], offset: offsetOf(contents, [...path, key], 'key'), description: `is not known here, ${hint}` };
    });
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message ?? issue.message;
    return [{ path, offset: offsetOf(contents, path, 'key'), description: unfit(path.at(-1), expected) }];
  }
  const came = path.reduce<unknown>((inner, segment) => (inner as Record<string | number, unknown> | undefined)?.[segment], value);
  return [{ path, offset: offsetOf(contents, path, 'value'), description: unfit(came, issue.message) }];
}

/** The keys that the schema knows in the mapping at `path`. */
function keysAt(path: Path): string[] {
  let schema: unknown = catalogSchema;
  for (const segment of path) {
    if (schema instanceof z.ZodObject) schema = schema.shape[segment];
    else if (schema instanceof z.ZodRecord) schema = schema.valueType;
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** The path as a message shows it, `plans.trial.title`; the whole catalog where it is empty. */
function fieldOf(path: Path): string {
  if (path.length === 0) return 'catalog';
  return path.map((segment) => (typeof segment === 'number' || /^[\w-]+$/.test(segment) ? segment : shown(segment))).join('.');
}

function unfit(came: unknown, expected: string): string {
  return `${came === undefined || came === null ? 'is missing' : `got ${shown(came)}`}, expected ${expected}`;
}

/** A value as a message shows it. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
