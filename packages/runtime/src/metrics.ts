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
  /**
   * A metric whose values are kept elsewhere and asked for when somebody reads the registry: for what is counted too often to
   * go through a library each time. Declared once.
   */
  collected(kind: 'counter' | 'gauge' | 'histogram', name: string, help: string, collect: () => Iterable<CollectedValue>): void;
}

export interface CollectedValue {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a histogram: its name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

/** Counts in a plain number. */
export class Tally {
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }

  dec(by = 1): void {
    this.value -= by;
  }
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
    collected(kind, name, help, collect) {
      const metric = {
        name,
        help,
        get: async () => ({ name, help, type: kind, aggregator: 'sum', values: [...collect()] }),
        reset: () => undefined,
      };
      // The library asks nothing else of what it has registered, and has no type for it.
      registry.registerMetric(metric as unknown as Metric);
    },
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
