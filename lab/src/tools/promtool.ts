// promtool, which checks the configuration and tests the rules of Prometheus.
import { join } from 'node:path';
import type { ToolProduct } from '../product.ts';
import { prometheusPackage } from '../servers/prometheus.ts';

export const promtool: ToolProduct = {
  name: 'promtool',
  summary: 'checks and tests of Prometheus rules',
  builds: [prometheusPackage],
  path: (folderOf) => join(folderOf(prometheusPackage), 'usr/bin/promtool'),
};
