import { EXIT_CODES, type LadingError } from "@lading/core-manifest";
import { diagnosticsOf } from "./error.ts";

/** An error as `{"error": {...}}` in the asked format; the same facts that text shows. */
export async function renderErrorObject(error: LadingError, format: "json" | "yaml" | "ndjson"): Promise<string> {
  const diagnostics = diagnosticsOf(error);
  const { details, ...facts } = error.toJSON();
  const { diagnostics: _, ...others } = details ?? {};
  const value = {
    error: {
      ...facts,
      ...(Object.keys(others).length === 0 ? {} : { details: others }),
      ...(diagnostics.length === 0 ? {} : { diagnostics }),
      exitCode: EXIT_CODES[error.category],
    },
  };
  if (format === "ndjson") return `${JSON.stringify(value)}\n`;
  if (format === "json") return `${JSON.stringify(value, null, 2)}\n`;
  const { stringify } = await import("yaml");
  return stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0 });
}
