// h2spec, which holds a server to the specification of HTTP/2.
import { goTool } from '../go.ts';

export const h2spec = goTool('conformance to HTTP/2', {
  name: 'h2spec',
  version: '2.2.1+incompatible',
  package: 'github.com/summerwind/h2spec/cmd/h2spec',
  usuallySeconds: 5,
});
