// Loaded into a worker before its own code: stands still for good when it is told to.
import { parentPort } from 'node:worker_threads';

export const standStill = 'stand still';

parentPort?.on('message', (message: unknown) => {
  while (message === standStill);
});
