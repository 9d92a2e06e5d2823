// The MongoDB adapter under the conformance suite, on a server for all uses and on a small one.
import { describeWithLab } from '@burgage/lab';
import { beforeAll } from 'vitest';
import { storeConformance } from '../conformance/index.ts';
import * as places from './places.ts';

const module = new URL('./places.ts', import.meta.url).href;

// It ends no server, so none has to flush its writes.
describeWithLab('on FerretDB 2', [{ server: 'mongo', options: { fsync: false } }], (lab) => {
  beforeAll(() => places.serveFrom(lab.server('mongo').url));
  storeConformance({ name: 'MongoDB', places, module });
});

describeWithLab('on FerretDB 1', ['mongo-small'], (lab) => {
  beforeAll(() => places.serveFrom(lab.server('mongo-small').url));
  // It looks at every document of a collection to find one.
  storeConformance({ name: 'MongoDB', places, module, effort: 0.2 });
});
