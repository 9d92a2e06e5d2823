// Whether this process can do its work now, and if not, why not.

export interface ReadinessCheck {
  readonly ready: boolean;
  readonly reason?: string;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}

/** Each part of the process says by name whether it is ready; the process is when all are. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>();

  set(name: string, ready: boolean, reason?: string): void {
    this.#checks.set(name, reason === undefined ? { ready } : { ready, reason });
  }

  report(): ReadinessReport {
    const checks = [...this.#checks];
    return { ready: checks.every(([, check]) => check.ready), checks: Object.fromEntries(checks) };
  }
}
