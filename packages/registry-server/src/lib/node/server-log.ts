import pino from "pino";
import type { LogListener } from "../ports.ts";

/** JSON log lines on standard output, each with its request's trace id. */
export function createServerLog(level: "info" | "warn" | "error" | "silent"): LogListener {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  return (severity, message, fields) => logger[severity](fields, message);
}
