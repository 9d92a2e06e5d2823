// A process of its own for tests: what it does to a data folder is said by its arguments, and it is killed or runs out of disk there.
import { createReadStream } from 'node:fs';
import { argv, stdin, stdout } from 'node:process';
import { defineTable } from './table.ts';
import { openTenantData, type Place } from './tenant-data.ts';

export const notes = defineTable({ name: 'notes', columns: { title: 'text' } });
export const migrations = [
  'CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT, WITHOUT ROWID',
];

const say = (line: string): void => void stdout.write(`${line}\n`);

/** Stands still after so many turns of the event loop, for whoever kills this. */
function stopAfter(turns: number): void {
  if (turns > 0) return void setImmediate(stopAfter, turns - 1);
  say('stands still');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

if (import.meta.main) {
  const [, , work, folder = '', place = 'pool', archive = '', stopTurn] = argv as [
    string,
    string,
    string,
    string?,
    Place?,
    string?,
    string?,
  ];
  const data = openTenantData({ folder, migrations, tables: [notes] });
  // Whoever has started this may die too.
  stdin.on('end', () => process.exit(3)).resume();
  try {
    if (work === 'write') {
      // Says what was acknowledged, until it is refused.
      for (let id = 0; ; id += 1) {
        data
          .for('ten_a', place)
          .table(notes)
          .insert({ id: String(id), title: 't' });
        say(`wrote ${id}`);
        // Leaves others a moment in which nobody holds the lock.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } else if (work === 'remove') {
      if (stopTurn !== undefined) stopAfter(Number(stopTurn));
      await data.remove('ten_a', { place });
      say('removed');
    } else {
      await data.prepare('ten_a', { slug: 'a', name: 'A', color: '#000000' }, { place });
      async function* reported(): AsyncGenerator<Uint8Array> {
        for await (const chunk of createReadStream(archive)) {
          say('read');
          yield chunk;
        }
        say('read everything');
        if (stopTurn !== undefined) stopAfter(Number(stopTurn));
      }
      await data.restore('ten_a', reported(), { place });
      say('restored');
    }
  } catch (error) {
    say(`refused ${error instanceof Error && 'code' in error ? error.code : error}`);
  }
  const { places } = await data.places();
  say(`left ${JSON.stringify(places)}`);
  data.close();
  process.exit(0);
}
