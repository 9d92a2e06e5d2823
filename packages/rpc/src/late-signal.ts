// An abort signal that is made when somebody asks for it: most calls end without.

export class LateSignal {
  #controller: AbortController | undefined;
  #cause: { readonly reason: unknown } | undefined;

  get aborted(): boolean {
    return this.#cause !== undefined;
  }

  get reason(): unknown {
    return this.#cause?.reason;
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#cause === undefined ? new AbortController() : aborted(this.#cause.reason);
    return this.#controller.signal;
  }

  /** The first reason stays. */
  abort(reason: unknown): void {
    if (this.#cause !== undefined) return;
    this.#cause = { reason };
    this.#controller?.abort(reason);
  }
}

function aborted(reason: unknown): AbortController {
  const controller = new AbortController();
  controller.abort(reason);
  return controller;
}
