// varnishtest, which plays clients and servers by script against any proxy; its Varnish does not come along.
import { debianTool } from '../debian.ts';

export const varnishtest = debianTool('HTTP clients and servers by script, around any proxy', {
  name: 'varnishtest',
  packages: ['varnish'],
  program: 'usr/bin/varnishtest',
  // The compiler is for the configurations of Varnish.
  without: ['gcc', 'libc-dev'],
  usuallySeconds: 8,
});
