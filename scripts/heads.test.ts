// Tests of the head rule.
import { expect, test } from 'vitest';
import { hasHead } from './heads.ts';

test.each([
  ['one line', '// Says what it is for.\nimport x;', true],
  ['two lines', '// Says what\n// it is for.\nimport x;', true],
  ['behind a shebang', '#!/usr/bin/env node\n// Starts it.\nimport x;', true],
  ['nothing', 'import x;', false],
  ['an empty file', '', false],
  ['no sentence', '// todo\nimport x;', false],
  ['a comment further down', 'import x;\n// Says what it is for.', false],
])('%s', (_, source, expected) => {
  expect(hasHead(source)).toBe(expected);
});
