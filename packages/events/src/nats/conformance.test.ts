// The NATS adapter under the conformance suite, on a real server.
import { describeWithLab } from '@burgage/lab';
import { eventsConformance } from '../conformance/index.ts';
import { removeNamespace } from './testing/server.ts';

let places = 0;

describeWithLab('nats', ['nats'], (lab) =>
  eventsConformance('nats', {
    module: new URL('./testing/engine.ts', import.meta.url),
    async newPlace() {
      const { url } = lab.server('nats');
      places += 1;
      const namespace = `test-${process.pid}-${places}`;
      return { place: `${url}#${namespace}`, remove: () => removeNamespace(url, namespace) };
    },
  }),
);
