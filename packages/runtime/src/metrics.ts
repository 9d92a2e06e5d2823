// The metrics of one process: one registry, and a way to declare a metric that is safe to repeat.
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from 'prom-client';

/**
 * Declaring a name twice gives the same metric, so that several servers and clients of one process share theirs.
 * Declaring it as another kind throws.
 */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string = string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string = string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** `buckets`: upper bounds, in the unit that the name ends with. */
  histogram<L extends string = string>(name: string, help: string, buckets: readonly number[], labels?: readonly L[]): Histogram<L>;
}

/** A registry of its own, with the metrics of the process and of Node in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges that are named as counters: Prometheus' own check refuses them, and their parts say the same.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);

  function declared<M extends Metric>(name: string, kind: new (...parameters: never[]) => M, make: () => M): M {
    const existing = registry.getSingleMetric(name);
    if (existing === undefined) return make();
    if (existing instanceof kind) return existing;
    throw new TypeError(`metric ${name} was declared before as another kind than ${kind.name}`);
  }

  return {
    registry,
    counter: <L extends string>(name: string, help: string, labels: readonly L[] = []) =>
      declared<Counter<L>>(name, Counter, () => new Counter({ name, help, labelNames: labels, registers: [registry] })),
    gauge: <L extends string>(name: string, help: string, labels: readonly L[] = []) =>
      declared<Gauge<L>>(name, Gauge, () => new Gauge({ name, help, labelNames: labels, registers: [registry] })),
    histogram: <L extends string>(name: string, help: string, buckets: readonly number[], labels: readonly L[] = []) =>
      declared<Histogram<L>>(
        name,
        Histogram,
        () => new Histogram({ name, help, buckets: [...buckets], labelNames: labels, registers: [registry] }),
      ),
  };
}
