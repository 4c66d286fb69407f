/** A place in a text file. Lines and columns count from 1; a column counts UTF-16 code units. */
export interface SourceLocation {
  /** Path as the caller gave it; shown to the user. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine?: number;
  /** Column just after the last character. */
  readonly endColumn?: number;
}
