// Loaded into a supervised process before anything else: ends it when the supervisor is gone.

/** A moment to drain; after it nothing may be left that holds a port or the data folder. */
const graceMs = 1_000;

process.stdin.on('error', () => undefined);
process.stdin.on('end', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), graceMs).unref();
});
process.stdin.resume();
process.stdin.unref?.();
