import { MANIFEST_DIAGNOSTICS, ManifestError, type ManifestDiagnosticCode } from "./manifest-error.ts";
import type { Diagnostic, DiagnosticSeverity, DialectId, PackageManifest } from "./manifest.ts";
import type { SourceLocation } from "./source-location.ts";

/** How a foreign manifest is imported. */
export interface ImportOptions {
  /** Path of the file, for messages only. */
  readonly file: string;
  /** Dialect that the result is meant for; decides how requirements are spelled. Absent: `lading.toml`. */
  readonly dialect?: DialectId;
  /** Name to use in place of the file's own, where that breaks the name rules. */
  readonly name?: string;
  /** Version to use in place of the file's own, or where it has none. */
  readonly version?: string;
}

/** What an import gives: everything that could be taken over, and a finding for all that could not. */
export interface ImportedManifest {
  /** Without `package` where the name or version cannot be used. */
  readonly manifest: PackageManifest;
  /** Errors: has to be decided by somebody. Warnings: check what was made of it. */
  readonly findings: Diagnostic[];
}

/** One finding. */
export interface Finding {
  readonly code: ManifestDiagnosticCode;
  readonly key: string;
  readonly problem: string;
  readonly severity?: DiagnosticSeverity;
  readonly found?: string | undefined;
  readonly hint?: string | undefined;
}

export function finding(
  file: string,
  location: SourceLocation,
  { code, key, problem, severity, found, hint }: Finding,
): Diagnostic {
  return {
    code,
    severity: severity ?? MANIFEST_DIAGNOSTICS[code].severity,
    message: `Cannot import "${key}" of "${file}" as it is: ${problem}${found === undefined ? "" : `, found ${found}`}`,
    location,
    key,
    ...(found === undefined ? {} : { found }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** A file that is not even of its own format. */
export function unreadable(file: string, diagnostics: readonly Diagnostic[]): ManifestError {
  const first = diagnostics[0]!;
  return new ManifestError({
    code: "MANIFEST_INVALID",
    message: first.message,
    hint: first.hint,
    location: first.location,
    file,
    diagnostics,
  });
}
