// What surrounds every operation, without any of them.
export { createContext } from "./lib/context.ts";
export { type ContextInput, type EngineContext } from "./lib/engine-context.ts";
export { ENGINE_ERRORS, EngineError, type EngineErrorCode, type EngineErrorInit } from "./lib/engine-error.ts";
export { readText } from "./lib/files.ts";
