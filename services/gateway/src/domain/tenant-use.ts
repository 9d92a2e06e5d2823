// What one tenant takes up of its limits: in this thread alone, or behind the same door in memory that several threads share.
import { freshRate, type RateState, takeRate } from './gcra.ts';
import type { Shed } from './shedding.ts';

export interface TenantUse extends Shed {
  readonly inflight: number;
  readonly tunnels: number;
  /** When the next request is due by the rate limit, in milliseconds. */
  readonly dueMs: number;
  /** Hot path. Takes a place among the requests in flight, unless there are `max` already; 0: any number may be. */
  enter(max: number): boolean;
  /** Hot path. Gives it back. */
  leave(): void;
  /** Takes a place among the open tunnels, unless there are `max` already. */
  openTunnel(max: number): boolean;
  closeTunnel(): void;
  /** Hot path. As `takeRate` of gcra.ts. */
  takeRate(limit: number, nowMs: number): number;
  /** What `takeRate` would say, without taking anything. */
  previewRate(limit: number, nowMs: number): number;
}

export class OwnUse implements TenantUse, RateState {
  inflight = 0;
  tunnels = 0;
  shedShare = 0;
  shedDue = 0;
  dueMs: number;
  dueUnits: number;
  limit: number;

  constructor() {
    ({ dueMs: this.dueMs, dueUnits: this.dueUnits, limit: this.limit } = freshRate());
  }

  /** As a new one: for another tenant. */
  reset(): this {
    this.inflight = 0;
    this.tunnels = 0;
    this.shedShare = 0;
    this.shedDue = 0;
    ({ dueMs: this.dueMs, dueUnits: this.dueUnits, limit: this.limit } = freshRate());
    return this;
  }

  enter(max: number): boolean {
    if (max > 0 && this.inflight >= max) return false;
    this.inflight += 1;
    return true;
  }

  leave(): void {
    this.inflight -= 1;
  }

  openTunnel(max: number): boolean {
    if (this.tunnels >= max) return false;
    this.tunnels += 1;
    return true;
  }

  closeTunnel(): void {
    this.tunnels -= 1;
  }

  takeRate(limit: number, nowMs: number): number {
    return takeRate(this, limit, nowMs);
  }

  previewRate(limit: number, nowMs: number): number {
    const { dueMs, dueUnits, limit: before } = this;
    return takeRate({ dueMs, dueUnits, limit: before }, limit, nowMs);
  }
}
