import { InfiniteQueryObserver, QueryClient } from "@tanstack/react-query";
import { expect, it } from "vitest";
import { nextPage } from "./pages";

it("the next page comes though what is there is read anew meanwhile", async () => {
  const client = new QueryClient();
  const waiting: (() => void)[] = [];
  const observer = new InfiniteQueryObserver(client, {
    queryKey: ["lines"],
    initialPageParam: 0,
    queryFn: ({ pageParam }) => new Promise<number>((resolve) => waiting.push(() => resolve(pageParam))),
    getNextPageParam: (last: number) => (last < 2 ? last + 1 : undefined),
  });
  const stop = observer.subscribe(() => undefined);
  const answer = async () => {
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    waiting.splice(0).forEach((one) => one());
  };
  await answer();
  await expect.poll(() => observer.getCurrentResult().data?.pages).toEqual([0]);
  const asked = nextPage(observer.getCurrentResult());
  await expect.poll(() => waiting.length).toBe(1);
  void client.invalidateQueries({ queryKey: ["lines"] }); // as a live update does
  await answer();
  await answer();
  await asked;
  expect(observer.getCurrentResult().data?.pages).toEqual([0, 1]);
  stop();
  client.clear();
});
