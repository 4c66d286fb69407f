import type { NameDelegation } from "@lading/signing/metadata";

/** Public keys that count for a version of a delegated name: those named now, and those that were when it was published. */
export function delegatedKeys({ keys, former }: NameDelegation, published: string): readonly Uint8Array[] {
  const publishedMs = Date.parse(published);
  return [...keys, ...former.flatMap(({ key, untilMs }) => (publishedMs < untilMs ? [key] : []))];
}
