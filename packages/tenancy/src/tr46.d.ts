// The part of tr46 that the host normaliser uses; the package brings no types of its own.
declare module 'tr46' {
  export interface ToAsciiOptions {
    readonly checkHyphens?: boolean;
    readonly checkBidi?: boolean;
    readonly checkJoiners?: boolean;
    readonly useSTD3ASCIIRules?: boolean;
    readonly verifyDNSLength?: boolean;
    readonly transitionalProcessing?: boolean;
  }

  /** The domain with A-labels, or null where it is not valid. */
  export function toASCII(domain: string, options?: ToAsciiOptions): string | null;
}
