// The gRPC server reflection protocol (grpc.reflection.v1), answered from the descriptors of the services.
import { createRegistry, type DescFile, type DescService, type MessageInitShape, type Registry, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { grpcStatus } from '@burgage/contracts';
import { ServerReflection, type ServerReflectionRequest, type ServerReflectionResponseSchema } from '@burgage/contracts/wire';
import { implement, type RpcImplementation } from './implement.ts';

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/** Describes `services`, itself included. */
export function reflectionOf(services: readonly DescService[]): RpcImplementation {
  const all = [...services, ServerReflection];
  const files = [...new Set(all.flatMap(({ file }) => withImports(file)))];
  const registry = createRegistry(...files);
  const names = all.map(({ typeName }) => typeName).toSorted();
  return implement(ServerReflection, {
    serverReflectionInfo: async function* (requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request, { files, registry, names }) };
      }
    },
  });
}

interface Known {
  readonly files: readonly DescFile[];
  readonly registry: Registry;
  /** Of the services. */
  readonly names: readonly string[];
}

function answer({ messageRequest: question }: ServerReflectionRequest, { files, registry, names }: Known): Answer {
  switch (question.case) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: names.map((name) => ({ name })) } };
    case 'fileByFilename':
      return filesOf(
        files.find((file) => fileName(file) === question.value),
        question.value,
      );
    case 'fileContainingSymbol':
      return filesOf(declaringFile(registry, question.value), question.value);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = question.value;
      return filesOf(
        extensionsOf(registry, containingType).find(({ number }) => number === extensionNumber)?.file,
        `extension ${extensionNumber} of ${containingType}`,
      );
    }
    case 'allExtensionNumbersOfType':
      if (registry.getMessage(question.value) === undefined) return notFound(question.value);
      return {
        case: 'allExtensionNumbersResponse',
        value: { baseTypeName: question.value, extensionNumber: extensionsOf(registry, question.value).map(({ number }) => number) },
      };
    case undefined:
      return {
        case: 'errorResponse',
        value: { errorCode: grpcStatus.INVALID_ARGUMENT, errorMessage: 'The request asks nothing that is known here.' },
      };
    default:
      return question satisfies never;
  }
}

function filesOf(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) return notFound(asked);
  return {
    case: 'fileDescriptorResponse',
    value: { fileDescriptorProto: withImports(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

function notFound(asked: string): Answer {
  return { case: 'errorResponse', value: { errorCode: grpcStatus.NOT_FOUND, errorMessage: `${asked} is not known here.` } };
}

/** `file` first, then everything that it imports, each once. */
function withImports(file: DescFile): DescFile[] {
  const files = new Set<DescFile>([file]);
  for (const known of files) for (const dependency of known.dependencies) files.add(dependency);
  return [...files];
}

/** The file that declares a type, or the type that a method, field or enum value belongs to. */
function declaringFile(registry: Registry, symbol: string): DescFile | undefined {
  const declared = registry.get(symbol);
  if (declared !== undefined) return declared.file;
  const dot = symbol.lastIndexOf('.');
  const parent = registry.get(symbol.slice(0, Math.max(dot, 0)));
  const member = symbol.slice(dot + 1);
  switch (parent?.kind) {
    case 'service':
      return parent.methods.some(({ name }) => name === member) ? parent.file : undefined;
    case 'message':
      return [...parent.fields, ...parent.oneofs].some(({ name }) => name === member) ? parent.file : undefined;
    default:
      return undefined;
  }
}

function extensionsOf(registry: Registry, typeName: string) {
  return [...registry].filter((declared) => declared.kind === 'extension').filter(({ extendee }) => extendee.typeName === typeName);
}

function fileName(file: DescFile): string {
  return `${file.name}.proto`;
}
