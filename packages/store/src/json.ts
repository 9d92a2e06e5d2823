// Turns values into JSON text, refusing whatever would not come back the same.
import { invalidField } from '@burgage/contracts';

/** Deeper values are refused; it also catches cycles. Document databases have the same bound. */
const depthMax = 100;

/**
 * The JSON text of a plain value: null, booleans, finite numbers, strings, lists and plain objects of such. Fields that
 * are undefined are left out. @throws BurgageError `invalid_argument` naming the place under `field`.
 */
export function jsonText(field: string, value: unknown): string {
  checkPlain(field, value, 0);
  return JSON.stringify(value);
}

function checkPlain(field: string, value: unknown, depth: number): void {
  if (depth > depthMax) throw invalidField(field, `got more than ${depthMax} levels, expected a plain JSON value`);
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return;
    case 'number':
      if (!Number.isFinite(value)) throw invalidField(field, `got ${value}, expected a finite number`);
      return;
    case 'object':
      break;
    default:
      throw invalidField(field, `got a value of type ${typeof value}, expected a plain JSON value`);
  }
  if (value === null) return;
  if (Array.isArray(value)) {
    // By position, not with forEach, so that holes are seen.
    for (let index = 0; index < value.length; index += 1) checkPlain(`${field}[${index}]`, value[index], depth + 1);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalidField(field, `got a ${value.constructor?.name ?? 'class instance'}, expected a plain JSON value`);
  }
  for (const [name, inner] of Object.entries(value)) {
    if (inner !== undefined) checkPlain(`${field}.${name}`, inner, depth + 1);
  }
}
