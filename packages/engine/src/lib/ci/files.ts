/** A file that `ci init` writes. */
export interface CiFile {
  /** Relative to the repository's root, `/` separated. */
  readonly path: string;
  readonly purpose: string;
  readonly text: string;
  readonly executable?: boolean;
}
