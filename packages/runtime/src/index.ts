// The runtime of one process: configuration, logs, metrics, tracing, start-drain-stop, clock and randomness.
export * from './admin-server.ts';
export * from './clock.ts';
export * from './context.ts';
export * from './doorbell.ts';
export * from './logger.ts';
export * from './metrics.ts';
export * from './nearest.ts';
export * from './number-schema.ts';
export * from './private-folder.ts';
export * from './process.ts';
export * from './random.ts';
export * from './readiness.ts';
export * from './service-main.ts';
export * from './setting-errors.ts';
export * from './settings.ts';
export * from './traceparent.ts';
export * from './tracing.ts';
export { withoutPassword } from './url-password.ts';
