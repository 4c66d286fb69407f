import { compareVersions, parseVersion, type CanonicalName, type IndexVersion } from "@lading/core-manifest";

interface Remembered {
  readonly sequence: number;
  readonly versions: readonly IndexVersion[];
  readonly bytes: number;
}

const MEMORY_BYTES = 16 * 2 ** 20;

/** What a version takes in memory, roughly: its text, and as much again for the objects. */
function bytesOf(version: IndexVersion): number {
  return 2 * JSON.stringify(version).length;
}

/**
 * What index documents say of versions, by package and sequence. Every change that a document shows gives its package the
 * next sequence in the change's own transaction, so that what is remembered of a sequence is what the database says of it;
 * a publication adds its one version to what is remembered of the sequence before.
 */
export class RememberedVersions {
  // Insertion order is age: whoever is asked for moves to the end.
  readonly #packages = new Map<string, Remembered>();
  #bytes = 0;

  /** Versions in ascending order, where they are remembered as of that very sequence. */
  get(canonical: CanonicalName, sequence: number): readonly IndexVersion[] | undefined {
    const known = this.#packages.get(canonical);
    if (known?.sequence !== sequence) return undefined;
    this.#packages.delete(canonical);
    this.#packages.set(canonical, known);
    return known.versions;
  }

  put(canonical: CanonicalName, sequence: number, versions: readonly IndexVersion[]): void {
    this.#keep(canonical, { sequence, versions, bytes: versions.reduce((sum, one) => sum + bytesOf(one), 0) });
  }

  /** A publication gave a package this sequence, and this version, or one more file of it. */
  add(canonical: CanonicalName, sequence: number, version: IndexVersion): void {
    const known = this.#packages.get(canonical);
    if (known?.sequence !== sequence - 1) return;
    const others = known.versions.filter((other) => other.version !== version.version);
    const added = parseVersion(version.version);
    const at = others.findLastIndex((other) => compareVersions(parseVersion(other.version), added) < 0) + 1;
    const replaced = known.versions.find((other) => other.version === version.version);
    const bytes = known.bytes + bytesOf(version) - (replaced === undefined ? 0 : bytesOf(replaced));
    this.#keep(canonical, { sequence, versions: others.toSpliced(at, 0, version), bytes });
  }

  #keep(canonical: CanonicalName, remembered: Remembered): void {
    this.#forget(canonical);
    this.#packages.set(canonical, remembered);
    this.#bytes += remembered.bytes;
    for (const oldest of this.#packages.keys()) {
      if (this.#bytes <= MEMORY_BYTES) return;
      this.#forget(oldest);
    }
  }

  #forget(canonical: string): void {
    this.#bytes -= this.#packages.get(canonical)?.bytes ?? 0;
    this.#packages.delete(canonical);
  }
}
