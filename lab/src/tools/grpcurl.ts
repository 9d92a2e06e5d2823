// grpcurl, which calls gRPC servers from the command line.
import { goTool } from '../go.ts';

export const grpcurl = goTool('gRPC calls from the command line', {
  name: 'grpcurl',
  version: '1.9.4',
  package: 'github.com/fullstorydev/grpcurl/cmd/grpcurl',
  usuallySeconds: 25,
});
