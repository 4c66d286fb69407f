import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { environmentIn, temporaryDirectory } from "../../test/helpers.ts";
import { withEnvironmentLock } from "./environment-lock.ts";
import { exclusively, openDatabase } from "./sqlite.ts";

describe("withEnvironmentLock()", () => {
  it("lets one at a time change an environment, and frees it after a failure", async () => {
    const environment = environmentIn(temporaryDirectory());
    await withEnvironmentLock(environment, async () => {
      const second = withEnvironmentLock(environment, () => Promise.resolve(), 10);
      await expect(second).rejects.toMatchObject({ code: "INSTALL_BUSY", exitCode: 5 });
    });
    const failing = withEnvironmentLock(environment, () => Promise.reject(new Error("broken")));
    await expect(failing).rejects.toThrow("broken");
    expect(await withEnvironmentLock(environment, () => Promise.resolve("free"), 10)).toBe("free");
  });
});

describe("exclusively()", () => {
  it("refuses with STORE_BUSY while another connection holds the store, and undoes what fails", () => {
    const file = join(temporaryDirectory(), "index.sqlite");
    const [first, second] = [openDatabase(file), openDatabase(file, 10)];
    first.exec("CREATE TABLE t (x)");
    exclusively(first, "hold the store", () => {
      expect(() => exclusively(second, "collect garbage", () => {})).toThrow(
        expect.objectContaining({ code: "STORE_BUSY" }) as Error,
      );
    });
    const failing = (): void =>
      exclusively(second, "fail", () => {
        second.exec("INSERT INTO t VALUES (1)");
        throw new Error("broken");
      });
    expect(failing).toThrow("broken");
    expect(first.prepare("SELECT count(*) AS n FROM t").get()).toMatchObject({ n: 0 });
    first.close();
    second.close();
  });
});
