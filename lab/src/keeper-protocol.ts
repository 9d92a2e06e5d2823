// What a process and its keeper say to each other.

/** How the keeper starts a process: with nothing but this environment, in a session of its own. */
export interface SpawnRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

export type ToKeeper =
  | { readonly do: 'spawn'; readonly id: number; readonly request: SpawnRequest }
  /** From now on the folder goes when the asking process does, however that ends. */
  | { readonly do: 'own' | 'disown'; readonly id: number; readonly folder: string };

export type FromKeeper =
  | { readonly said: 'done'; readonly id: number; readonly pid?: number }
  | { readonly said: 'failed'; readonly id: number; readonly message: string }
  | { readonly said: 'exited'; readonly pid: number; readonly how: string };
