import { expect, it } from "vitest";
import { loadLz4 } from "./lz4.ts";

it("loadLz4() says what to do where the optional package is missing", async () => {
  const missing = (): Promise<never> => Promise.reject(new Error("Cannot find package"));
  await expect(loadLz4(missing)).rejects.toMatchObject({ code: "ARCHIVE_CODEC_UNAVAILABLE" });
});
