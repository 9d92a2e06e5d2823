// What a crash leaves where everything runs as `npm start` has it.
import { describe } from 'vitest';
import { crashStory } from './crash.ts';
import { embedded } from './platform.ts';

describe(embedded.name, () => crashStory(() => embedded));
