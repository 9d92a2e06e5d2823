// Empty route tables for tests.
import { seededRandom } from '@burgage/runtime';
import { RouteNames, RouteTable } from '../domain/route-table.ts';

export function freshNames(): RouteNames {
  return new RouteNames(seededRandom(1));
}

export function emptyTable(): RouteTable {
  return new RouteTable(freshNames());
}
