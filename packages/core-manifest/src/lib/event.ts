/**
 * Everything that an operation of Lading tells while it runs: one tagged union, silent unless somebody
 * listens, printable as NDJSON (`docs/spec/events.md`). The first seven are the progress events of Attune's document.
 */
export type LadingEvent =
  | { readonly type: "step-started"; readonly step: string; readonly message: string }
  | {
      readonly type: "step-completed";
      readonly step: string;
      readonly message: string;
      readonly durationMs?: number;
      /** The step did its work, and what it looked at is not well: a test failed. */
      readonly failed?: true;
    }
  | {
      readonly type: "downloading";
      readonly url: string;
      /** Never falls from one event of the same `url` to the next. */
      readonly downloadedBytes: number;
      /** Absent where the server does not say. */
      readonly totalBytes?: number;
      readonly package?: string;
    }
  | { readonly type: "extracting"; readonly file: string; readonly package?: string }
  | { readonly type: "verifying"; readonly message: string; readonly package?: string }
  | { readonly type: "warning"; readonly message: string; readonly code?: string; readonly hint?: string }
  | { readonly type: "info"; readonly message: string }
  | { readonly type: "uploading"; readonly url: string; readonly uploadedBytes: number; readonly totalBytes: number }
  | { readonly type: "resolving"; readonly packages: number; readonly requests: number }
  | { readonly type: "debug"; readonly scope: string; readonly message: string };

/** Receives events in order, synchronously; must not throw. */
export type EventListener = (event: LadingEvent) => void;

/** The listener of callers that gave none. */
export const ignoreEvents: EventListener = () => {};
