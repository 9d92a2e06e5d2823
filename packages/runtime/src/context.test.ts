import { expect, test } from 'vitest';
import { currentContext, runDetached, runInContext } from './context.ts';

test('context follows the work through awaits and timers, and ends with it', async () => {
  const seen = await runInContext({ tenantId: 'ten_1' }, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return runInContext({ operationId: 'op_1' }, () => currentContext());
  });
  expect(seen).toEqual({ tenantId: 'ten_1', operationId: 'op_1' });
  expect(currentContext()).toEqual({});
});

test('inner work cannot outlive the outer: the earlier deadline and either signal count', () => {
  const outer = new AbortController();
  const inner = new AbortController();
  runInContext({ deadlineAtMs: 100, signal: outer.signal }, () => {
    runInContext({ deadlineAtMs: 200, signal: inner.signal }, () => {
      expect(currentContext().deadlineAtMs).toBe(100);
      outer.abort();
      expect(currentContext().signal?.aborted).toBe(true);
    });
    runInContext({ deadlineAtMs: 50 }, () => expect(currentContext().deadlineAtMs).toBe(50));
  });
});

test('detached work keeps ids and trace, without deadline and signal', () => {
  runInContext({ tenantId: 'ten_1', traceparent: 'x', deadlineAtMs: 1, signal: AbortSignal.abort() }, () => {
    expect(runDetached(() => currentContext())).toEqual({ tenantId: 'ten_1', traceparent: 'x' });
  });
});
