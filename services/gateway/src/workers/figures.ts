// The metrics of workers, summed into those of the main thread.
import type { Metrics } from '@burgage/runtime';

/** One metric of a worker as it was at a moment. */
export interface MetricFigures {
  readonly name: string;
  /** A gauge ends with its worker; what was counted stays counted. */
  readonly isGauge: boolean;
  readonly values: readonly Figure[];
}

interface Figure {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** What this process counts of its own work begins like this; the rest is about the process, and the main thread's to tell. */
const ownPrefix = 'burgage_gateway_';

/** Of a worker's registry. */
export async function figuresOf({ registry }: Metrics): Promise<MetricFigures[]> {
  const figures: MetricFigures[] = [];
  for (const { name } of registry.getMetricsAsArray()) {
    if (!name.startsWith(ownPrefix)) continue;
    const { type, values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
    // Where nothing was counted there is nothing to add.
    const some = values.filter(({ value }) => value !== 0).map((figure) => ({ ...figure }) as Figure);
    if (some.length > 0) figures.push({ name, isGauge: `${type}` === 'gauge', values: some });
  }
  return figures;
}

/** Adds what workers counted to the metrics of the same names whenever these are read. */
export class WorkerFigures {
  readonly #living = new Map<number, readonly MetricFigures[]>();
  /** What was counted by workers that have ended: by metric, and each value by its name and labels. */
  readonly #ended = new Map<string, Map<string, Figure>>();

  /** `refresh` has the workers tell what they have; it is waited for whenever something is read. */
  constructor({ registry }: Metrics, refresh: () => Promise<void>) {
    for (const { name } of registry.getMetricsAsArray()) {
      const metric = name.startsWith(ownPrefix) ? registry.getSingleMetric(name) : undefined;
      if (metric === undefined) continue;
      const own = metric.get.bind(metric);
      metric.get = async () => {
        await refresh();
        const read = await own();
        const sums = new Map<string, Figure>();
        addAll(sums, read.values as readonly Figure[]);
        addAll(sums, this.#ended.get(name)?.values() ?? []);
        for (const figures of this.#living.values()) for (const one of figures) if (one.name === name) addAll(sums, one.values);
        return { ...read, values: [...sums.values()] as typeof read.values };
      };
    }
  }

  /** A worker's figures, in the place of those it told before. */
  tell(worker: number, figures: readonly MetricFigures[]): void {
    this.#living.set(worker, figures);
  }

  end(worker: number): void {
    for (const { name, isGauge, values } of this.#living.get(worker) ?? []) {
      if (isGauge) continue;
      const sums = this.#ended.get(name) ?? new Map<string, Figure>();
      addAll(sums, values);
      this.#ended.set(name, sums);
    }
    this.#living.delete(worker);
  }

  /** A value without labels, by worker. */
  *valuesOf(name: string): Generator<{ readonly worker: number; readonly value: number }> {
    for (const [worker, figures] of this.#living) {
      yield { worker, value: figures.find((one) => one.name === name)?.values[0]?.value ?? 0 };
    }
  }
}

function addAll(sums: Map<string, Figure>, values: Iterable<Figure>): void {
  for (const figure of values) {
    const key = JSON.stringify([figure.metricName, Object.entries(figure.labels).toSorted()]);
    const known = sums.get(key);
    sums.set(key, known === undefined ? figure : { ...known, value: known.value + figure.value });
  }
}
