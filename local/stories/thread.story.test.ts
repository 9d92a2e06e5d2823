// The thread through the whole house, as `npm start` runs it.
import { describe } from 'vitest';
import { embedded } from './platform.ts';
import { threadStory } from './thread.ts';

describe(embedded.name, () => threadStory(() => embedded));
