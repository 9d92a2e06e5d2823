// Servers and tools by name, installed where that is still to do.
import { folderOf } from './cache.ts';
import { type OptionsOf, type ServerName, servers, type ToolName, tools } from './catalogue.ts';
import { type InstallOptions, install } from './install.ts';
import { isToolName } from './names.ts';
import type { Build, ServerProduct, ToolProduct } from './product.ts';
import { type RunningServer, run, type StartOptions } from './running-server.ts';

/** A server by its name alone, or with what is chosen of it. */
export type ServerRequest =
  | ServerName
  | { readonly [Name in ServerName]: { readonly server: Name; readonly options: OptionsOf<Name> } }[ServerName];

/**
 * Starts a server on a free port, in a folder of its own, and resolves when it answers. Installs it first where it is
 * missing. It ends, and its folder goes unless it was given, with `close()` or with this process.
 * @throws LabError when this machine cannot have it, or when it does not start, with the end of its log.
 */
export async function startServer<Name extends ServerName>(
  name: Name,
  options?: OptionsOf<Name>,
  how?: StartOptions & InstallOptions,
): Promise<RunningServer> {
  const product = serverProduct(name);
  for (const build of product.builds) await install(build, how);
  return await run(product, options ?? {}, how);
}

/** The path of a program, installed where it is missing. @throws LabError when this machine cannot have it. */
export async function tool(name: ToolName, how?: InstallOptions): Promise<string> {
  const product = toolProduct(name);
  for (const build of product.builds) await install(build, how);
  return product.path(folderOf);
}

/** What the names of a request stand for: the builds that must be in the cache. */
export function buildsOf(names: readonly (ServerName | ToolName)[]): readonly Build[] {
  return [...new Set(names.flatMap((name) => (isToolName(name) ? toolProduct(name) : serverProduct(name)).builds))];
}

/** The table knows which options belong to which name; here they are one of many. */
export function serverProduct(name: ServerName): ServerProduct {
  return servers[name];
}

export function toolProduct(name: ToolName): ToolProduct {
  return tools[name];
}
