// The SQLite adapter under the conformance suite, and under what it promises beyond it.
import { orderedCallTests, storeConformance } from '../conformance/index.ts';
import * as places from './places.ts';

const adapter = { name: 'SQLite', places, module: new URL('./places.ts', import.meta.url).href };

storeConformance(adapter);
orderedCallTests(adapter);
