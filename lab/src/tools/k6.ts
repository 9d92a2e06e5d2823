// k6, which makes load by script.
import { goTool } from '../go.ts';

export const k6 = goTool('load by script', { name: 'k6', version: '1.8.1', package: 'go.k6.io/k6', usuallySeconds: 60 });
