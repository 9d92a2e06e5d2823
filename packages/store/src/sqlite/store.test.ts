// The SQLite adapter under the conformance suite, and under what it promises beyond it.
import { orderedCallTests, storeConformance } from '../conformance/index.ts';

const module = new URL('./places.ts', import.meta.url).href;

await storeConformance('SQLite', module);
await orderedCallTests('SQLite', module);
