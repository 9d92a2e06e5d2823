// h2load, which makes load in HTTP/2.
import { debianTool } from '../debian.ts';

export const h2load = debianTool('HTTP/2 load', {
  name: 'h2load',
  packages: ['nghttp2-client'],
  program: 'usr/bin/h2load',
  usuallySeconds: 8,
});
