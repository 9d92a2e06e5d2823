// Addresses of the databases of a mesh.
import { expect, test } from 'vitest';
import { databaseUrl } from './mesh-processes.ts';

test.each([
  ['mongodb://db:27017', 'mongodb://db:27017/burgage_registry'],
  ['mongodb://db:27017/', 'mongodb://db:27017/burgage_registry'],
  ['mongodb://db:27017/acme', 'mongodb://db:27017/acme_registry'],
  ['mongodb://a:1,b:2/acme?replicaSet=rs0', 'mongodb://a:1,b:2/acme_registry?replicaSet=rs0'],
  ['mongodb://u:p@db', 'mongodb://u:p@db/burgage_registry?authSource=admin'],
  ['mongodb://u:p@db/acme?tls=true', 'mongodb://u:p@db/acme_registry?tls=true&authSource=acme'],
  ['mongodb+srv://u:p@db/acme?authSource=users', 'mongodb+srv://u:p@db/acme_registry?authSource=users'],
])('a service of a mesh on %s uses %s', (given, used) => {
  expect(databaseUrl(given, 'registry')).toBe(used);
});
