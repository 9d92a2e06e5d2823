// Prometheus, as Debian builds it; the package has promtool too.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebian } from '../debian.ts';
import { httpAnswers } from '../probes.ts';
import type { Build, Place, ServerProduct } from '../product.ts';

export interface PrometheusOptions {
  /** Job -> what it scrapes, `host:port` each; default: itself, as the job `prometheus`. */
  readonly scrapes?: Readonly<Record<string, readonly string[]>>;
  /** Default 1,000. */
  readonly scrapeIntervalMs?: number;
  /** Recording and alerting rules, as the YAML of a rule file. */
  readonly rules?: string;
  readonly args?: readonly string[];
}

/** Which version it is, is up to the release of Debian that the machine runs. */
export const prometheusPackage: Build = {
  name: 'prometheus',
  version: 'debian',
  needs: ['debian'],
  usuallySeconds: 10,
  install: (folder, workshop) => unpackDebian(folder, workshop, { packages: ['prometheus'] }),
};

export const prometheus: ServerProduct<PrometheusOptions> = {
  name: 'prometheus',
  summary: 'Prometheus',
  builds: [prometheusPackage],
  scheme: 'http',
  usualPort: 9090,
  async prepare(place, options) {
    if (options.rules !== undefined) await writeFile(rulesFile(place), options.rules);
    // JSON is YAML.
    await writeFile(configFile(place), JSON.stringify(configuration(place, options), undefined, 2));
  },
  processes: (place, { args = [] }) => [
    {
      name: 'prometheus',
      command: join(place.folderOf(prometheusPackage), 'usr/bin/prometheus'),
      args: [
        `--config.file=${configFile(place)}`,
        `--storage.tsdb.path=${join(place.folder, 'data')}`,
        `--web.listen-address=${place.host}:${place.port}`,
        ...args,
      ],
      answers: () => httpAnswers(`http://${place.host}:${place.port}/-/ready`),
    },
  ],
};

function configFile({ folder }: Place): string {
  return join(folder, 'prometheus.yaml');
}

function rulesFile({ folder }: Place): string {
  return join(folder, 'rules.yaml');
}

function configuration(place: Place, { scrapes, scrapeIntervalMs = 1_000, rules }: PrometheusOptions): object {
  const interval = `${scrapeIntervalMs}ms`;
  const jobs = scrapes ?? { prometheus: [`${place.host}:${place.port}`] };
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: rules === undefined ? [] : [rulesFile(place)],
    scrape_configs: Object.entries(jobs).map(([job, targets]) => ({ job_name: job, static_configs: [{ targets }] })),
  };
}
