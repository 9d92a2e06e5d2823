// The life of tenants where everything runs as `npm start` has it.
import { describe } from 'vitest';
import { lifeStory } from './life.ts';
import { embedded } from './platform.ts';

describe(embedded.name, () => lifeStory(() => embedded));
