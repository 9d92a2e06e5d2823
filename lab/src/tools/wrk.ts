// wrk, which makes HTTP/1.1 load by script at little cost.
import { debianTool } from '../debian.ts';

export const wrk = debianTool('HTTP/1.1 load by script, at little cost', {
  name: 'wrk',
  packages: ['wrk'],
  program: 'usr/bin/wrk',
  usuallySeconds: 8,
});
