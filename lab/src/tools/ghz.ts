// ghz, which makes load for gRPC servers.
import { goTool } from '../go.ts';

export const ghz = goTool('load for gRPC servers', {
  name: 'ghz',
  version: '0.93.0',
  package: 'github.com/bojand/ghz/cmd/ghz',
  usuallySeconds: 15,
});
