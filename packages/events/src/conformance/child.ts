// The other process of the conformance suite: opens the engine and does the task that its arguments name.
import type { Events } from '../port.ts';
import type { ChildMessage, ChildTask } from './engine.ts';

const [module, place, taskText] = process.argv.slice(2);
if (module === undefined || place === undefined || taskText === undefined) throw new Error('usage: child.ts MODULE PLACE TASK');
const { openEvents }: { openEvents(place: string): Promise<Events> } = await import(module);
const task = JSON.parse(taskText) as ChildTask;
process.on('disconnect', () => process.exit());

function say(message: ChildMessage): void {
  process.send?.(message);
}

const events = await openEvents(place);
switch (task.kind) {
  case 'publish': {
    const one = async (index: number): Promise<void> => {
      const id = `${task.prefix}-${index}`;
      await events.publish({
        id,
        subject: 'burgage.test.thing.made',
        source: 'burgage.test',
        entity: 'ten_1',
        time: '2026-01-01T00:00:00.000Z',
        data: new Uint8Array(),
      });
      say({ published: id });
    };
    // A few at once: enough to be grouped, few enough to be killed in the middle.
    for (let index = 0; index < task.count; index += 4) {
      await Promise.all([0, 1, 2, 3].map((offset) => one(index + offset)));
    }
    say({ done: true });
    break;
  }
  case 'hang': {
    await events.subscribe({
      consumer: task.consumer,
      subjects: ['burgage.>'],
      ackTimeoutMs: task.ackTimeoutMs,
      ...(task.attemptsMax === undefined ? {} : { attemptsMax: task.attemptsMax }),
      handler: (event) => {
        say({ handling: event.id });
        return new Promise(() => {});
      },
    });
    break;
  }
  default:
    task satisfies never;
}
