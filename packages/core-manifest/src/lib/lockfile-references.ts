import { lockSourceString, type LockPackage } from "./lockfile-model.ts";

/** Every text that can mean the package, shortest first. */
export function lockReferenceTexts({ name, version, source }: LockPackage): string[] {
  const short = [name, `${name} ${version}`];
  return source === undefined ? short : [...short, `${name} ${version} ${lockSourceString(source)}`];
}

/**
 * The packages of a lock by the references that mean exactly one of them. A reference is a package's name, or
 * name and version, or name, version and source; {@link LockReferences.reference} gives the shortest that is
 * not ambiguous, which is what `dependencies` and `members` hold.
 */
export interface LockReferences {
  /** The shortest reference that means `entry` and no other package. */
  reference(entry: LockPackage): string;
  /** The package that `reference` means, whatever condition it has; `undefined` where it means none or several. */
  find(reference: string): LockPackage | undefined;
}

/** Indexes packages by reference. */
export function lockReferences(packages: readonly LockPackage[]): LockReferences {
  const found = new Map<string, LockPackage | undefined>();
  for (const entry of packages) {
    for (const text of lockReferenceTexts(entry)) found.set(text, found.has(text) ? undefined : entry);
  }
  return {
    reference: (entry) =>
      lockReferenceTexts(entry).find((text) => found.get(text) !== undefined) ?? lockReferenceTexts(entry).at(-1)!,
    find: (text) => found.get(splitReference(text).reference),
  };
}

const CONDITIONAL = /^\[([^\]]*)\] /;

/** Splits `[revit=2024] foo 1.0.0` into condition and reference. */
export function splitReference(text: string): { readonly condition?: string; readonly reference: string } {
  const found = CONDITIONAL.exec(text);
  return found === null ? { reference: text } : { condition: found[1]!, reference: text.slice(found[0].length) };
}
