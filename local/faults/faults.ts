// The faults that a mesh must live through.
import type { FaultProxy, RunningServer } from '@burgage/lab';
import { type Platform, until } from '../stories/platform.ts';

export interface Surroundings {
  readonly platform: Platform;
  readonly nats: RunningServer;
  readonly mongo: RunningServer;
  readonly natsProxy: FaultProxy;
  readonly mongoProxy: FaultProxy;
}

export interface Fault {
  readonly name: string;
  /** Resolves when the fault has ended: a killed process has been started again by its supervisor, a cut one is connected. */
  readonly strike: (world: Surroundings) => Promise<void>;
  /** What was in flight there is broken off. */
  readonly killsAGateway?: boolean;
  /** Nobody else can answer what goes to the shared app meanwhile. */
  readonly stopsTheApp?: boolean;
}

const cutMs = 10_000;

function kill(process_: string): (world: Surroundings) => Promise<void> {
  return async ({ platform }) => {
    const pid = await platform.pidOf(process_);
    process.kill(pid, 'SIGKILL');
    await until(`${process_} was started again`, async () => (await platform.pidOf(process_)) !== pid);
  };
}

async function cut(...proxies: readonly FaultProxy[]): Promise<void> {
  await Promise.all(proxies.map((proxy) => proxy.disable()));
  await new Promise((wake) => setTimeout(wake, cutMs));
  await Promise.all(proxies.map((proxy) => proxy.enable()));
}

export const faults: readonly Fault[] = [
  ...['registry-1', 'registry-2', 'provisioner-1', 'provisioner-2', 'api'].map((name) => ({ name: `kill -9 ${name}`, strike: kill(name) })),
  ...['gateway-1', 'gateway-2'].map((name) => ({ name: `kill -9 ${name}`, strike: kill(name), killsAGateway: true })),
  { name: 'kill -9 the app', strike: kill('desk-shared'), stopsTheApp: true },
  { name: 'restart NATS', strike: ({ nats }) => nats.restart() },
  { name: 'restart MongoDB', strike: ({ mongo }) => mongo.restart() },
  { name: 'cut NATS for 10 s', strike: ({ natsProxy }) => cut(natsProxy) },
  { name: 'cut MongoDB for 10 s', strike: ({ mongoProxy }) => cut(mongoProxy) },
  { name: 'cut both for 10 s', strike: ({ natsProxy, mongoProxy }) => cut(natsProxy, mongoProxy) },
];
