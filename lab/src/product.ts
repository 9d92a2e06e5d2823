// What the lab knows of a product: how it is installed, and for a server how it is started.

/** What an installation asks of the machine: Go, or a Debian whose archive apt can reach. */
export type Need = 'go' | 'debian';

/** Something that is installed once and kept in the cache, in a folder of its own for each name and version. */
export interface Build {
  readonly name: string;
  /** Part of the folder's name: a new one builds anew. */
  readonly version: string;
  readonly needs: readonly Need[];
  /** On two cores with nothing downloaded yet, so that who waits knows for how long. */
  readonly usuallySeconds: number;
  /** Fills `folder`, which is empty and renamed when all is done: nothing in it may hold its own path. */
  install(folder: string, workshop: Workshop): Promise<void>;
}

/** What an installation works with. */
export interface Workshop {
  /** An empty folder for what is not kept. */
  readonly scratch: string;
  /** Runs a program to its end; answers with its standard output. @throws LabError with the end of its output. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to its standard input. */
  readonly input?: string;
}

/** A program that people and tests run themselves. */
export interface ToolProduct {
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  readonly builds: readonly Build[];
  /** The program. */
  path(folderOf: (build: Build) => string): string;
}

/** Where one server runs. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Its own, for what it writes. */
  readonly folder: string;
  /** Short and gone with the server, also where `folder` is kept: for sockets. */
  readonly transient: string;
  /** The folder of an installed build. */
  folderOf(build: Build): string;
}

/** What a configuration that is written for a server's place may depend on. */
export type Site = Pick<Place, 'host' | 'port' | 'folder'>;

/** One process of a server. Standard output and error go to `<name>.log` in the server's folder. */
export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All it gets besides PATH, HOME, LANG and TZ. */
  readonly env?: Readonly<Record<string, string>>;
  /** Asks it to end well; default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** Whether it does its work; asked again and again until it does. May throw: that is a no. */
  answers(): Promise<boolean>;
  /** Once it answers, before the next process starts. */
  afterStart?(): Promise<void>;
}

/** A server that the lab starts. `Options` are what a test may choose. */
export interface ServerProduct<Options extends object = object> {
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  readonly builds: readonly Build[];
  /** Before the `//` of its URL. */
  readonly scheme: string;
  /** What people expect it on: `npm run lab -- up` takes it where it is free. */
  readonly usualPort: number;
  /** Before its first start: writes configuration, copies data. What is in a folder that was kept stays. */
  prepare?(place: Place, options: Options): Promise<void>;
  /** In the order of starting; they are stopped in reverse. The last one listens on the port. */
  processes(place: Place, options: Options): readonly ProcessPlan[];
}
